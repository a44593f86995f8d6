//! Operations on their way out. Who may use a disk, and how much, is decided where they enter it:
//! by whoever drives the pool, which knows of every class and of what else wants the disk.

use std::collections::VecDeque;

use crate::disk::DiskIo;

/// Operations that wait to be taken, in the order they were asked for.
#[derive(Default)]
pub struct Queue(VecDeque<DiskIo>);

impl Queue {
    pub fn push(&mut self, io: DiskIo) {
        self.0.push_back(io);
    }

    pub fn pop(&mut self) -> Option<DiskIo> {
        self.0.pop_front()
    }
}
