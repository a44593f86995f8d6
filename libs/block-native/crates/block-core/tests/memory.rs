//! What a pool takes of memory, counted where it is allocated.
//!
//! The disks keep what the engine reads again, which is the map and the log, in sparse files: what
//! is stored is never read, so its bytes are dropped and much can be stored in little time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::control::{
    Control, ControlAnswer, ControlOp, DiskSpec, MemoryStatus, OpenOptions, PoolId, PoolSpec,
};
use purlin_block_core::disk::{DiskDone, DiskFacts, DiskHandle, DiskIo, DiskOp, IoClass, Media};
use purlin_block_core::placement::Level;
use purlin_block_core::request::{Request, RequestOp, Tag, VolumeId};
use purlin_block_core::{Nanoseconds, Phase, Policy, Pool};

/// Counts bytes that are allocated and not freed.
struct Counting;

static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is the system allocator's, called with what this one was called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Held by the test that counts: another one's memory would be counted too.
static COUNTS: Mutex<()> = Mutex::new(());

fn allocated() -> isize {
    ALLOCATED.load(Ordering::Relaxed)
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOLE_EVERY_BYTES: usize = 1 << 20;
/// Memory for each tebibyte that is stored.
const MEMORY_MAX_MIB: f64 = 256.0;

struct World {
    pool: Pool,
    files: Vec<File>,
    volume: VolumeId,
    next: u64,
    answers: VecDeque<ControlAnswer>,
}

impl World {
    fn new(policy: Policy, disks: u32, disk_bytes: u64, options: OpenOptions) -> Self {
        let files = (0..disks).map(|_| sparse_file()).collect();
        let facts = DiskFacts { size_bytes: disk_bytes, sector_bytes: 4096, media: Media::Ssd };
        let specs = (0..disks).map(|number| DiskSpec {
            name: String::new(),
            handle: DiskHandle(number),
            facts,
            domains: vec![format!("s{number}")],
        });
        let id = PoolId([7; 16]);
        let (level, log_bytes) = (Level::Server, Some(GIB / 4));
        let spec = PoolSpec { id, policy, level, log_bytes, shard_bytes: None, force: false };
        let pool = Pool::create(spec, specs.collect(), options);
        let volume = VolumeId(0);
        let mut world = Self { pool, files, volume, next: 1, answers: VecDeque::new() };
        world.run(0);
        assert_eq!(world.pool.phase(), Phase::Running);
        world
    }

    /// Goes on until no more than `left` requests and calls are not answered.
    fn run(&mut self, mut awaited: usize) {
        loop {
            self.pool.advance(Nanoseconds(0));
            let mut moved = false;
            while let Some(DiskIo { id, disk, class, op }) = self.pool.next_io() {
                moved = true;
                let result = Ok(serve(&self.files[disk.0 as usize], class, op));
                self.pool.complete(DiskDone { id, result });
            }
            while let Some(reply) = self.pool.next_reply() {
                reply.result.unwrap();
                awaited -= 1;
            }
            while let Some(reply) = self.pool.next_control_reply() {
                self.answers.push_back(reply.result.unwrap());
                awaited -= 1;
            }
            if !moved {
                assert_eq!(awaited, 0, "the pool waits for something");
                return;
            }
        }
    }

    fn call(&mut self, op: ControlOp) -> ControlAnswer {
        self.next += 1;
        self.pool.control(Control { tag: Tag(self.next), op });
        self.run(1);
        self.answers.pop_front().unwrap()
    }

    fn submit(&mut self, op: RequestOp) {
        self.next += 1;
        self.pool.submit(Request { tag: Tag(self.next), volume: self.volume, op });
    }

    fn memory(&mut self) -> MemoryStatus {
        match self.call(ControlOp::Status) {
            ControlAnswer::Status(status) => status.memory,
            _ => panic!("no status"),
        }
    }
}

/// A file without a name.
fn sparse_file() -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("memory-{}-{number}", std::process::id()));
    let options = File::options().read(true).write(true).create_new(true).open(&path);
    std::fs::remove_file(&path).unwrap();
    options.unwrap()
}

fn serve(file: &File, class: IoClass, op: DiskOp) -> Option<Buffer> {
    match op {
        DiskOp::Read { at, mut buffer } => {
            // What is beyond the end of a sparse file reads as zeros.
            buffer.as_bytes_mut().fill(0);
            let mut filled = 0;
            while filled < buffer.len() {
                let part = &mut buffer.as_bytes_mut()[filled..];
                match file.read_at(part, at + filled as u64).unwrap() {
                    0 => break,
                    read => filled += read,
                }
            }
            Some(buffer)
        }
        DiskOp::Write { mut at, slices, .. } => {
            let blocks: usize = slices.iter().map(Slice::blocks).sum();
            // Whole shards of clients.
            let is_stored =
                class == IoClass::Client && slices.len() == 1 && blocks >= 4 || slices.len() == 16;
            for slice in slices.iter().filter(|_| !is_stored) {
                file.write_all_at(slice.as_bytes(), at).unwrap();
                at += slice.len() as u64;
            }
            None
        }
        DiskOp::Flush | DiskOp::Discard { .. } => None,
    }
}

/// Stores whole stripes of 64 KiB from byte `from` to byte `to` of the volume, but a sixteenth.
fn store(world: &mut World, from: u64, to: u64) {
    let stripe = Buffer::zeroed(16).share();
    let mut offsets = (from..to).step_by(64 << 10).peekable();
    while offsets.peek().is_some() {
        let mut count = 0;
        for offset in offsets.by_ref().take(64) {
            world.submit(RequestOp::Write { offset, slices: vec![stripe.clone()], fua: false });
            count += 1;
        }
        world.run(count);
    }
    // Holes in every region of the disks: their maps are as large as they get.
    let mut holes = (from..to).step_by(HOLE_EVERY_BYTES).peekable();
    while holes.peek().is_some() {
        let mut count = 0;
        for offset in holes.by_ref().take(64) {
            world.submit(RequestOp::Zero { offset, length: 64 << 10, fua: false });
            count += 1;
        }
        world.run(count);
    }
    world.call(ControlOp::Checkpoint);
}

#[test]
fn a_tebibyte_stored_takes_at_most_256_mib_of_memory_whatever_the_policy() {
    let _alone = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let erasure = |data, parity| Policy::Erasure { data, parity };
    let cases = [
        (Policy::Replicas { copies: 1 }, 1, 5 * GIB),
        (Policy::Replicas { copies: 3 }, 3, 5 * GIB),
        (Policy::Replicas { copies: 6 }, 6, 5 * GIB),
        (erasure(4, 2), 6, 2 * GIB),
        (Policy::Folded { data: 4, parity: 2, failures: 1 }, 6, 2 * GIB),
    ];
    let usual = OpenOptions::new(1);
    // The bounds are those of the usual options; to see what grows, they are reached soon here.
    let options = OpenOptions { page_cache_bytes: 1 << 20, log_index_bytes: 1 << 20, ..usual };
    for (policy, disks, disk_bytes) in cases {
        let mut world = World::new(policy, disks, disk_bytes, options);
        let made = world.call(ControlOp::CreateVolume { name: "v".into(), size_bytes: 1 << 40 });
        let ControlAnswer::Volume(volume) = made else { panic!("no volume") };
        world.volume = volume;
        store(&mut world, 0, GIB);
        let before = allocated();
        store(&mut world, GIB, 3 * GIB);
        let grown = (allocated() - before) as f64 / MIB as f64;
        let stored = 2.0 * 15.0 / 16.0 / 1024.0;
        let bounds = (usual.page_cache_bytes + usual.log_index_bytes) as f64 / MIB as f64;
        let whole = grown / stored + bounds;
        println!("{policy}: {whole:.0} MiB a TiB, {bounds} of them at any size");
        assert!(whole <= MEMORY_MAX_MIB, "{policy}: {whole} MiB a TiB");
        let memory = world.memory();
        assert!(memory.cache_bytes <= memory.cache_bytes_max, "{memory:?}");
        assert!(memory.log_bytes <= memory.log_bytes_max, "{memory:?}");
    }
}

#[test]
fn the_index_of_the_log_and_the_pages_keep_to_their_bounds_however_much_is_written() {
    let _alone = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = 1 << 20;
    let usual = OpenOptions::new(1);
    let options = OpenOptions { page_cache_bytes: bound, log_index_bytes: bound, ..usual };
    let mut world = World::new(Policy::Replicas { copies: 1 }, 1, 8 * GIB, options);
    let made = world.call(ControlOp::CreateVolume { name: "v".into(), size_bytes: 1 << 42 });
    let ControlAnswer::Volume(volume) = made else { panic!("no volume") };
    world.volume = volume;
    let block = Buffer::zeroed(1).share();
    let before = allocated();
    let mut largest = 0;
    let mut state = 1_u64;
    for turn in 0..2000 {
        for _ in 0..16 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let offset = (state >> 40) * BLOCK_BYTES as u64 * 16;
            world.submit(RequestOp::Write { offset, slices: vec![block.clone()], fua: false });
        }
        world.run(16);
        largest = largest.max(allocated() - before);
        if turn % 50 == 0 {
            let memory = world.memory();
            assert!(memory.log_bytes <= memory.log_bytes_max, "{memory:?}");
            assert!(memory.cache_bytes <= 2 * memory.cache_bytes_max, "{memory:?}");
        }
    }
    // Beside them: allocation maps, requests under way, and one cycle's work, which is bounded too.
    println!("{largest} bytes at most");
    assert!(largest < 4 * bound.cast_signed() + (16 << 20), "{largest}");
}
