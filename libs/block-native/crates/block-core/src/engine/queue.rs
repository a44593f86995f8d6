//! The one place where operations enter a disk.

use std::collections::VecDeque;

use crate::control::RecoverySpeed;
use crate::disk::{DiskHandle, DiskIo, IoClass};
use crate::keys::KeyMap;

const CLASSES: usize = IoClass::ALL.len();
/// Operations on their way to one disk; the rest waits here, where the classes keep their shares.
const IN_FLIGHT_MAX: usize = 64;

#[derive(Default)]
struct DiskQueue {
    classes: [VecDeque<DiskIo>; CLASSES],
    in_flight: usize,
    waiting: usize,
}

/// Operations that wait to be given out.
#[derive(Default)]
pub struct Queue {
    disks: KeyMap<DiskHandle, DiskQueue>,
    order: VecDeque<DiskHandle>,
    pub weights: Weights,
    draw: u64,
}

/// How often a class is picked against the others, per byte.
pub struct Weights(pub [u32; CLASSES]);

impl Default for Weights {
    fn default() -> Self {
        // The client's weight is that of mClock's and WPQ's usual set-up in Ceph (63); recovery's
        // is set by the recovery speed.
        Self([63, 63, 63, 63, 5, 5])
    }
}

impl Queue {
    /// Recovery's weight against the client's 63: a tenth, a half or two thirds of the bytes.
    pub fn set_recovery_speed(&mut self, speed: RecoverySpeed) {
        self.weights.0[class_index(IoClass::Recovery)] = match speed {
            RecoverySpeed::Low => 7,
            RecoverySpeed::Medium => 63,
            RecoverySpeed::High => 128,
        };
    }

    pub fn push(&mut self, io: DiskIo) {
        let disk = io.disk;
        let queue = self.disks.entry(disk).or_default();
        queue.waiting += 1;
        queue.classes[class_index(io.class)].push_back(io);
        self.order.push_back(disk);
    }

    /// An operation of a disk was answered.
    pub fn ended(&mut self, disk: DiskHandle) {
        if let Some(queue) = self.disks.get_mut(&disk) {
            queue.in_flight -= 1;
            if queue.waiting > 0 {
                self.order.push_back(disk);
            }
        }
    }

    /// The next operation, if a disk may get one.
    pub fn pop(&mut self) -> Option<DiskIo> {
        while let Some(&disk) = self.order.front() {
            let queue = self.disks.get_mut(&disk)?;
            if queue.in_flight < IN_FLIGHT_MAX
                && let Some(class) = pick(&queue.classes, &self.weights, &mut self.draw)
                && let Some(io) = queue.classes[class].pop_front()
            {
                queue.in_flight += 1;
                queue.waiting -= 1;
                return Some(io);
            }
            self.order.pop_front();
        }
        None
    }
}

fn class_index(class: IoClass) -> usize {
    class as usize
}

/// Picks a class at random, in proportion to its weight over the size of its first operation, so
/// that shares are shares of bytes.
fn pick(queues: &[VecDeque<DiskIo>; CLASSES], weights: &Weights, draw: &mut u64) -> Option<usize> {
    let chance = |class: usize| {
        let io = queues[class].front()?;
        let blocks = (io.bytes() / 4096).max(1) as u64;
        Some((u64::from(weights.0[class]) << 16) / blocks)
    };
    let mut waiting = (0..CLASSES).filter(|&class| !queues[class].is_empty());
    let first = waiting.next()?;
    if waiting.next().is_none() {
        return Some(first);
    }
    let total: u64 = (0..CLASSES).filter_map(chance).sum();
    *draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mut left = u64::try_from((u128::from(*draw >> 11) * u128::from(total)) >> 53).unwrap_or(0);
    for class in 0..CLASSES {
        let Some(chance) = chance(class) else { continue };
        if left < chance {
            return Some(class);
        }
        left -= chance;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::disk::{DiskOp, IoId};

    /// Recovery's share of the bytes while both classes always have something waiting.
    fn recovery_share(speed: RecoverySpeed, client_blocks: usize, recovery_blocks: usize) -> f64 {
        let mut queue = Queue::default();
        queue.set_recovery_speed(speed);
        let mut bytes = [0.0, 0.0];
        let mut next = 0;
        let mut push = |queue: &mut Queue, class, blocks| {
            next += 1;
            let op = DiskOp::Read { at: 0, buffer: Buffer::zeroed(blocks) };
            queue.push(DiskIo { id: IoId(next), disk: DiskHandle(0), class, op });
        };
        for _ in 0..4 {
            push(&mut queue, IoClass::Client, client_blocks);
            push(&mut queue, IoClass::Recovery, recovery_blocks);
        }
        for _ in 0..20_000 {
            let io = queue.pop().expect("something waits");
            let recovery = io.class == IoClass::Recovery;
            let blocks = if recovery { recovery_blocks } else { client_blocks };
            bytes[usize::from(recovery)] += f64::from(u32::try_from(blocks).expect("small"));
            queue.ended(io.disk);
            push(&mut queue, io.class, blocks);
        }
        bytes[1] / (bytes[0] + bytes[1])
    }

    #[test]
    fn recovery_gets_its_share_of_the_bytes_whatever_the_sizes_of_requests() {
        for (client, recovery) in [(1, 1), (1, 16), (16, 1), (8, 4)] {
            let share = |speed| recovery_share(speed, client, recovery);
            assert!((share(RecoverySpeed::Low) - 0.10).abs() < 0.05);
            assert!((share(RecoverySpeed::Medium) - 0.50).abs() < 0.07);
            assert!((share(RecoverySpeed::High) - 0.67).abs() < 0.07);
        }
    }
}
