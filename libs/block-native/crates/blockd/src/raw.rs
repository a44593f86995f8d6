//! An engine that keeps nothing of its own: volume N is disk N, byte for byte.
//!
//! The tests of sockets, rings and clients run on it, so that a fault they find is not the pool's,
//! and the benchmark measures with it what the daemon costs without a pool.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::control::{
    Control, ControlAnswer, ControlOp, ControlReply, Limits, MemoryStatus, PoolId, PoolStatus,
    VolumeStatus,
};
use purlin_block_core::disk::{DiskDone, DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_block_core::request::{Answer, Extent, Reply, Request, RequestOp, Tag, VolumeId};
use purlin_block_core::{BlockError, Nanoseconds, Phase, Policy};

use crate::engine::Engine;

/// Zeroes of one write.
const ZERO_BYTES: usize = 1 << 20;

/// A volume that is a disk.
#[derive(Debug, Clone)]
pub struct RawVolume {
    /// Its name.
    pub name: String,
    /// Its size, which the disk has.
    pub size_bytes: u64,
}

/// Volumes that are disks, in the order of their handles.
pub struct RawEngine {
    volumes: Vec<RawVolume>,
    zeroes: Slice,
    in_flight: HashMap<IoId, InFlight>,
    next_id: u64,
    ios: VecDeque<DiskIo>,
    replies: VecDeque<Reply>,
    control_replies: VecDeque<ControlReply>,
    closed: bool,
}

struct InFlight {
    tag: Tag,
    then: Then,
}

/// What follows an operation before its request is answered.
enum Then {
    Answer,
    /// Writes of zeroes that are left: where, how many bytes, whether durable.
    Zeroes(DiskHandle, u64, u64, bool),
    Flush(DiskHandle),
}

impl RawEngine {
    /// An engine over disks 0, 1 ... of the volumes' sizes.
    #[must_use]
    pub fn new(volumes: Vec<RawVolume>) -> Self {
        Self {
            volumes,
            zeroes: Buffer::zeroed(ZERO_BYTES / BLOCK_BYTES).share(),
            in_flight: HashMap::new(),
            next_id: 0,
            ios: VecDeque::new(),
            replies: VecDeque::new(),
            control_replies: VecDeque::new(),
            closed: false,
        }
    }

    fn emit(&mut self, disk: DiskHandle, op: DiskOp, in_flight: InFlight) {
        let id = IoId(self.next_id);
        self.next_id += 1;
        self.in_flight.insert(id, in_flight);
        self.ios.push_back(DiskIo { id, disk, class: IoClass::Client, op });
    }

    fn write_zeroes(&mut self, tag: Tag, disk: DiskHandle, at: u64, length: u64, fua: bool) {
        let bytes = length.min(ZERO_BYTES as u64);
        let blocks = usize::try_from(bytes).unwrap_or(ZERO_BYTES) / BLOCK_BYTES;
        let slices = vec![self.zeroes.blocks_at(0, blocks)];
        let then = if length > bytes {
            Then::Zeroes(disk, at + bytes, length - bytes, fua)
        } else {
            Then::Answer
        };
        self.emit(disk, DiskOp::Write { at, slices, fua }, InFlight { tag, then });
    }

    fn status(&self) -> PoolStatus {
        let volumes: Vec<VolumeStatus> = (0..)
            .zip(&self.volumes)
            .map(|(id, volume)| VolumeStatus {
                id: VolumeId(id),
                name: volume.name.clone(),
                size_bytes: volume.size_bytes,
                snapshot: false,
                parent: None,
                time_seconds: 0,
                limits: Limits::default(),
            })
            .collect();
        PoolStatus {
            level: purlin_block_core::placement::Level::Disk,
            moving: purlin_block_core::control::Moving::default(),
            scrub: None,
            id: PoolId([0; 16]),
            policy: Policy::Replicas { copies: 1 },
            generation: 0,
            disks: Vec::new(),
            provisioned_bytes: volumes.iter().map(|volume| volume.size_bytes).sum(),
            volumes,
            log_used_bytes: 0,
            log_bytes: 0,
            short_stripes: 0,
            repaired_chunks: 0,
            memory: MemoryStatus::default(),
            written_bytes: 0,
            client_written_bytes: 0,
        }
    }
}

impl Engine for RawEngine {
    fn submit(&mut self, request: Request) {
        let Request { tag, volume, op } = request;
        let disk = DiskHandle(u32::try_from(volume.0).unwrap_or(u32::MAX));
        let plain = InFlight { tag, then: Then::Answer };
        match op {
            RequestOp::Read { offset, length } => {
                let buffer = Buffer::zeroed(length / BLOCK_BYTES);
                self.emit(disk, DiskOp::Read { at: offset, buffer }, plain);
            }
            RequestOp::Write { offset, slices, fua } => {
                self.emit(disk, DiskOp::Write { at: offset, slices, fua }, plain);
            }
            RequestOp::Flush => self.emit(disk, DiskOp::Flush, plain),
            RequestOp::Zero { offset, length, fua } => {
                self.write_zeroes(tag, disk, offset, length, fua);
            }
            RequestOp::Discard { offset, length, fua } => {
                let then = if fua { Then::Flush(disk) } else { Then::Answer };
                let op = DiskOp::Discard { at: offset, length };
                self.emit(disk, op, InFlight { tag, then });
            }
            RequestOp::BlockStatus { length, .. } | RequestOp::Difference { length, .. } => {
                let result = Ok(Answer::Extents(vec![Extent { length, set: true }]));
                self.replies.push_back(Reply { tag, result });
            }
        }
    }

    fn control(&mut self, call: Control) {
        let result = match call.op {
            ControlOp::Status => Ok(ControlAnswer::Status(Box::new(self.status()))),
            ControlOp::Grow { volume, size_bytes } => {
                let index = usize::try_from(volume.0).unwrap_or(usize::MAX);
                match self.volumes.get_mut(index) {
                    Some(found) => {
                        found.size_bytes = size_bytes;
                        Ok(ControlAnswer::Done)
                    }
                    None => Err(BlockError::NoVolume { volume }),
                }
            }
            ControlOp::Close => {
                self.closed = true;
                Ok(ControlAnswer::Done)
            }
            _ => Ok(ControlAnswer::Done),
        };
        self.control_replies.push_back(ControlReply { tag: call.tag, result });
    }

    fn complete(&mut self, done: DiskDone) {
        let Some(InFlight { tag, then }) = self.in_flight.remove(&done.id) else { return };
        match then {
            Then::Zeroes(disk, at, length, fua) if done.result.is_ok() => {
                return self.write_zeroes(tag, disk, at, length, fua);
            }
            Then::Flush(disk) if done.result.is_ok() => {
                return self.emit(disk, DiskOp::Flush, InFlight { tag, then: Then::Answer });
            }
            _ => {}
        }
        let result = match done.result {
            Ok(Some(buffer)) => Ok(Answer::Bytes(vec![buffer.share()])),
            Ok(None) => Ok(Answer::Done),
            Err(DiskError::NoSpace) => Err(BlockError::NoSpace),
            Err(error) => Err(BlockError::Damaged { what: error.to_string() }),
        };
        self.replies.push_back(Reply { tag, result });
    }

    fn advance(&mut self, _now: Nanoseconds) {}

    fn next_io(&mut self) -> Option<DiskIo> {
        self.ios.pop_front()
    }

    fn next_reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    fn next_control_reply(&mut self) -> Option<ControlReply> {
        self.control_replies.pop_front()
    }

    fn deadline(&self) -> Option<Nanoseconds> {
        None
    }

    fn phase(&self) -> Phase {
        if self.closed { Phase::Ended(Ok(())) } else { Phase::Running }
    }
}
