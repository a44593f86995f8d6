//! The engine behind [`crate::Pool`]: turns.

macro_rules! fault {
    ($name:ident) => {{
        #[cfg(any(test, feature = "mutations"))]
        {
            crate::mutation::is_active(crate::mutation::Mutation::$name)
        }
        #[cfg(not(any(test, feature = "mutations")))]
        {
            false
        }
    }};
}

mod apply;
mod catalogue;
mod checkpoint;
mod client;
mod core;
mod create;
mod cycle;
mod destage;
mod disks;
mod entry;
mod exchange;
mod foreign;
mod geometry;
mod in_flight;
mod layers;
mod layout;
mod log;
mod members;
mod open;
mod pages;
mod placing;
mod queue;
mod quick_read;
mod read;
mod read_stripe;
mod rebuild;
mod records;
mod references;
mod repair;
mod replay;
mod reserve;
mod ring;
mod scrub;
mod space;
mod state;
mod status;
mod superblocks;
mod survey;
mod sweep;
mod table;
pub mod tasks;
mod tree;
mod volumes;
mod wire;
mod write;
mod write_stripe;

use std::collections::VecDeque;
use std::rc::Rc;

use self::core::Core;
use crate::control::{
    Control, ControlAnswer, ControlOp, ControlReply, DiskSpec, OpenOptions, PoolSpec,
};
use crate::disk::{DiskDone, DiskIo};
use crate::pool::{Nanoseconds, Phase};
use crate::request::{Reply, Request};

/// A pool's engine.
pub struct Engine {
    core: Rc<Core>,
    /// What came before the pool was open.
    early: VecDeque<Request>,
    early_calls: VecDeque<Control>,
}

impl Engine {
    pub fn create(spec: PoolSpec, disks: Vec<DiskSpec>, options: OpenOptions) -> Self {
        let core = Core::new(options);
        let started = Rc::clone(&core);
        core.tasks.spawn(async move {
            let outcome = started.create(spec, disks).await;
            started.begin(outcome);
        });
        Self::new(core)
    }

    pub fn open(disks: Vec<DiskSpec>, options: OpenOptions) -> Self {
        let core = Core::new(options);
        let started = Rc::clone(&core);
        core.tasks.spawn(async move {
            let outcome = started.open(disks).await;
            started.begin(outcome);
        });
        Self::new(core)
    }

    fn new(core: Rc<Core>) -> Self {
        Self { core, early: VecDeque::new(), early_calls: VecDeque::new() }
    }

    pub fn phase(&self) -> Phase {
        self.core.phase.borrow().clone()
    }

    pub fn submit(&mut self, request: Request) {
        if self.is_starting() {
            self.early.push_back(request);
        } else {
            self.core.take(request);
        }
    }

    pub fn control(&mut self, control: Control) {
        if self.is_starting() {
            self.early_calls.push_back(control);
        } else {
            self.core.take_call(control);
        }
    }

    pub fn complete(&mut self, done: DiskDone) {
        self.core.complete(done);
    }

    pub fn advance(&mut self, now: Nanoseconds) {
        self.core.now.set(now);
        loop {
            self.core.tasks.run();
            if !self.is_starting() {
                for request in self.early.drain(..) {
                    self.core.take(request);
                }
                for control in self.early_calls.drain(..) {
                    self.core.take_call(control);
                }
            }
            if !self.core.pump_log() && !self.core.tasks.run() {
                return;
            }
        }
    }

    fn is_starting(&self) -> bool {
        *self.core.phase.borrow() == Phase::Starting
    }

    pub fn next_io(&mut self) -> Option<DiskIo> {
        self.core.queue.borrow_mut().pop()
    }

    pub fn next_reply(&mut self) -> Option<Reply> {
        self.core.replies.borrow_mut().pop_front()
    }

    pub fn next_control_reply(&mut self) -> Option<ControlReply> {
        self.core.control_replies.borrow_mut().pop_front()
    }

    /// Blocks of a volume below one leaf of the map.
    #[cfg(test)]
    pub fn leaf_blocks(&self) -> u64 {
        let geometry = self.core.geometry.get();
        geometry.leaf_entries * geometry.stripe_blocks as u64
    }

    /// Levels of the highest tree that has pages; 0 if none has.
    #[cfg(test)]
    pub fn map_height(&self) -> u8 {
        let catalogue = self.core.catalogue.borrow();
        let roots = catalogue.heads.keys().filter_map(|&head| catalogue.root(head));
        roots.filter(|root| !root.pointer.is_null()).map(|root| root.height).max().unwrap_or(0)
    }

    /// Map pages that left memory because there was no room.
    #[cfg(test)]
    pub fn pages_evicted(&self) -> u64 {
        self.core.pages.borrow().evicted
    }

    #[expect(clippy::unused_self, reason = "nothing waits for a time yet")]
    pub fn deadline(&self) -> Option<Nanoseconds> {
        None
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Tasks and reads under way hold the core and the core holds them.
        self.core.tasks.clear();
        self.core.forget_waiting();
    }
}

impl Core {
    fn begin(self: &Rc<Self>, outcome: Result<(), crate::BlockError>) {
        if let Err(error) = outcome {
            self.fail(error);
            return;
        }
        *self.phase.borrow_mut() = Phase::Running;
        self.tasks.spawn(Rc::clone(self).run_cycles());
        self.tasks.spawn(Rc::clone(self).run_changes());
        if self.wanted.rebuild.get() || self.log_is_half_full() {
            self.want_cycle();
        }
    }

    /// Takes an owner's call: status at once, changes of the catalogue one after the other, what
    /// takes its time beside them.
    fn take_call(self: &Rc<Self>, control: Control) {
        let Control { tag, op } = control;
        if let Some(refusal) = self.refusal() {
            let reply = ControlReply { tag, result: Err(refusal) };
            self.control_replies.borrow_mut().push_back(reply);
            return;
        }
        match op {
            ControlOp::Status => {
                let result = Ok(ControlAnswer::Status(Box::new(self.status())));
                self.control_replies.borrow_mut().push_back(ControlReply { tag, result });
            }
            ControlOp::AddDisks { .. }
            | ControlOp::EvacuateDisk { .. }
            | ControlOp::ReplaceDisk { .. }
            | ControlOp::PauseRebalance(_)
            | ControlOp::Survey
            | ControlOp::ReturnDisk(_)
            | ControlOp::RemoveDisk(_)
            | ControlOp::ForgetDisk(_)
            | ControlOp::SetMaintenance { .. }
            | ControlOp::SetAnswering { .. }
            | ControlOp::SetTopology { .. }
            | ControlOp::Scrub { .. }
            | ControlOp::PauseScrub(_)
            | ControlOp::Rebalance
            | ControlOp::Checkpoint
            | ControlOp::Close => {
                let core = Rc::clone(self);
                self.tasks.spawn(async move {
                    let result = core.work(op).await;
                    core.control_replies.borrow_mut().push_back(ControlReply { tag, result });
                });
            }
            op => {
                self.calls.borrow_mut().push_back(Control { tag, op });
                self.calls_bell.ring();
            }
        }
    }

    async fn run_changes(self: Rc<Self>) {
        loop {
            let Some(Control { tag, op }) = self.calls.borrow_mut().pop_front() else {
                self.calls_bell.next().await;
                continue;
            };
            if let Some(result) = self.change(&op).await {
                self.control_replies.borrow_mut().push_back(ControlReply { tag, result });
            }
        }
    }
}
