//! What a cache takes of memory, counted where it is allocated: policy and data path together.
//!
//! The disks answer at once and keep nothing. All content is zeroes, so that the checksums which
//! the cache keeps are right whatever is read back.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::{DiskDone, DiskHandle, DiskOp};
use purlin_cache_core::CacheId;
use purlin_cache_core::cache::{Cache, Lock, Mode, Phase, Request, Setup, Shape, Tag};

/// Counts bytes that are allocated and not freed.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's, called with what this one was called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PAGE_BYTES: u64 = 4096;
/// 4 GiB for each TiB.
const BYTES_PER_PAGE_MAX: f64 = 16.0;
/// What is taken at any size.
const FIXED_BYTES_MAX: f64 = 8.0 * 1_048_576.0;
/// Requests after which it is looked at what is allocated.
const LOOK_REQUESTS: u64 = 1024;

struct World {
    cache: Cache,
    tag: u64,
    before: usize,
    most: usize,
}

impl World {
    fn new(ssd_bytes: u64, origin_bytes: u64) -> (Self, Shape) {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let Some(shape) = Shape::of(ssd_bytes / PAGE_BYTES) else { panic!("the SSD is too small") };
        let setup = Setup {
            origin: DiskHandle(0),
            origin_blocks: origin_bytes / PAGE_BYTES,
            origin_id: [1; 16],
            ssds: vec![DiskHandle(1)],
            cache_id: CacheId([2; 16]),
            shape,
            lock: Lock::default(),
            dirty_percent_max: 70,
            ordered: false,
            attach: true,
        };
        let mut world = Self { cache: Cache::start(setup), tag: 0, before, most: 0 };
        world.settle();
        assert_eq!(world.cache.status().phase, Phase::Running);
        (world, shape)
    }

    fn settle(&mut self) {
        loop {
            self.cache.advance();
            let mut rests = true;
            while let Some(lock) = self.cache.next_lock() {
                self.cache.lock_stored(lock);
                rests = false;
            }
            while let Some(io) = self.cache.next_io() {
                rests = false;
                let read = match io.op {
                    DiskOp::Read { mut buffer, .. } => {
                        buffer.as_bytes_mut().fill(0);
                        Some(buffer)
                    }
                    DiskOp::Write { .. } | DiskOp::Flush | DiskOp::Discard { .. } => None,
                };
                self.cache.complete(DiskDone { id: io.id, result: Ok(read) });
            }
            while let Some(reply) = self.cache.next_reply() {
                assert!(reply.result.is_ok(), "{:?}", reply.result);
            }
            if rests {
                return;
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.tag += 1;
        self.cache.submit(Tag(self.tag), request);
        self.settle();
        if self.tag.is_multiple_of(LOOK_REQUESTS) {
            let taken = ALLOCATED.load(Ordering::Relaxed) - self.before;
            self.most = self.most.max(taken);
        }
    }
}

/// The most that is taken while the cache is filled by reads and then made dirty by writes, between
/// requests, and how many slots there are.
fn most_taken(ssd_mib: u64, origin_gib: u64) -> (f64, f64) {
    let (mut world, shape) = World::new(ssd_mib * MIB, origin_gib * GIB);
    let slots = u64::from(shape.slots);
    let origin_pages = origin_gib * GIB / PAGE_BYTES;
    // An odd number: each page of the origin comes once, neighbours far from each other.
    let page = |number: u64| number.wrapping_mul(0x9e37_79b1) % origin_pages;
    for number in 0..slots * 9 / 8 {
        world.ask(Request::Read { page: page(number), count: 1 });
    }
    world.ask(Request::SetMode(Mode::Writeback));
    for number in 0..slots * 3 / 4 {
        let slices = vec![Slice::zero_block()];
        world.ask(Request::Write { page: page(number), slices, fua: false });
    }
    let status = world.cache.status();
    assert!(status.cached_pages as u64 > slots / 2, "{status:?}");
    assert!(status.dirty_pages as u64 > slots / 4, "{status:?}");
    (world.most as f64, slots as f64)
}

#[test]
fn a_tebibyte_of_ssd_takes_at_most_4_gib_of_memory_for_policy_and_data_path_together() {
    let (small, small_slots) = most_taken(512, 16);
    let (large, large_slots) = most_taken(1024, 256);
    // Requests under way and their buffers take the same at any size.
    let each = (large - small) / (large_slots - small_slots);
    let fixed = small - each * small_slots;
    println!("{each:.2} bytes a page, and {:.1} MiB at any size", fixed / 1_048_576.0);
    assert!(each <= BYTES_PER_PAGE_MAX, "{each} bytes a page");
    assert!(fixed <= FIXED_BYTES_MAX, "{fixed} bytes at any size");
}
