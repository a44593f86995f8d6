//! One thread that serves the volumes of one pool: its clients, its engine, its disks.
//!
//! Nothing is shared between reactors, so that a pool whose disks hang stalls nobody else. A turn
//! of the loop takes all that has ended, lets the engine work once on all of it, and sends all that
//! is ready: under load the calls are few, and alone a request goes through without a thread's
//! change.

mod answers;
pub mod connection;
mod devices;
mod intake;
pub mod mailbox;
mod mails;
mod pending;
mod volumes;

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use purlin_block_core::control::{ControlAnswer, VolumeStatus};
use purlin_block_core::disk::{DiskDone, DiskError, DiskHandle};
use purlin_block_core::keys::KeyMap;
use purlin_block_core::request::{Answer, Tag};
use purlin_block_core::{BlockError, Nanoseconds, Phase};

use crate::disk_gate::{Answering, DiskGate, Ended};
use crate::engine::Engine;
use crate::port::Port;
use crate::port::operation::{Completion, Operation};
use crate::port::token::{ConnectionKey, Token};
use crate::qos::weighted_queue::Weights;
use crate::vhost::device::Device;
use connection::Connection;
use mailbox::{Mailbox, Travelling};
use mails::CallInFlight;
use pending::Pending;
use volumes::Volumes;

pub use intake::BLOCK_BYTES;

/// How often disks are asked whether something takes too long.
const EXPIRY_PERIOD: Duration = Duration::from_secs(1);

/// What a reactor tells the rest of the daemon.
pub trait Watcher {
    /// The engine has started, with these volumes, or they have changed.
    fn volumes(&self, volumes: &[VolumeStatus]);

    /// A disk answers nothing any more and is done without, or answers again and catches up.
    fn disk_answers(&self, disk: DiskHandle, answers: bool) {
        eprintln!("purlin-blockd: {}", answering_told(&format!("disk {}", disk.0), answers));
    }
}

/// A sentence on a disk that answers nothing any more, or does again. Pure.
#[must_use]
pub fn answering_told(disk: &str, answers: bool) -> String {
    if answers {
        format!("{disk} answers again and catches up")
    } else {
        format!("{disk} answers nothing any more: it is missing until it does")
    }
}

/// The disks of a reactor by their handles.
pub type Gates = BTreeMap<DiskHandle, DiskGate>;

/// A pool's thread. Build it there: neither port nor pool can change threads.
pub struct Reactor<E> {
    port: Box<dyn Port>,
    engine: E,
    gates: Gates,
    mailbox: Mailbox,
    watcher: Box<dyn Watcher>,
    connections: KeyMap<ConnectionKey, Connection>,
    /// Guests' devices; their keys are no connection's.
    devices: KeyMap<ConnectionKey, Device>,
    /// Connections and devices with something to read, to send or to receive.
    touched: Vec<ConnectionKey>,
    volumes: Volumes,
    pending: Pending,
    /// Requests of the daemon's own.
    foreign: KeyMap<Tag, Sender<Result<Answer, BlockError>>>,
    calls: KeyMap<Tag, CallInFlight>,
    /// What a recovery speed that was set in use has made of the weights.
    weights: Option<Weights>,
    /// Answers that are given once the volumes are known anew.
    held_answers: Vec<(Sender<Result<ControlAnswer, BlockError>>, ControlAnswer)>,
    /// Clients that came before the engine ran.
    early: Vec<Travelling>,
    giving_away: Option<(Sender<Option<Vec<Travelling>>>, Nanoseconds)>,
    next_key: u64,
    next_call: u64,
    answered: u64,
    /// Requests the engine has failed; told of at powers of two, so that a dead disk fills no log.
    failed: u64,
    began: Instant,
    expiry_at: Nanoseconds,
    started: bool,
    stopped: bool,
}

impl<E: Engine> Reactor<E> {
    /// A reactor of an engine and its disks, for the calling thread.
    #[must_use]
    pub fn new(
        port: Box<dyn Port>,
        engine: E,
        gates: Gates,
        mailbox: Mailbox,
        watcher: Box<dyn Watcher>,
    ) -> Self {
        Self {
            port,
            engine,
            gates,
            mailbox,
            watcher,
            connections: KeyMap::default(),
            devices: KeyMap::default(),
            touched: Vec::new(),
            volumes: Volumes::default(),
            pending: Pending::default(),
            foreign: KeyMap::default(),
            calls: KeyMap::default(),
            weights: None,
            held_answers: Vec::new(),
            early: Vec::new(),
            giving_away: None,
            next_key: 0,
            next_call: 0,
            answered: 0,
            failed: 0,
            began: Instant::now(),
            expiry_at: Nanoseconds(0),
            started: false,
            stopped: false,
        }
    }

    /// Serves until it is told to stop or the engine ends, and gives how the engine ended.
    ///
    /// # Errors
    /// The port broke; the engine has been told nothing then.
    pub fn run(mut self) -> io::Result<Result<(), BlockError>> {
        let word = Box::default();
        self.port.submit(Token::Wake, Operation::Wake { counter: self.mailbox.counter(), word });
        let mut completions = Vec::new();
        let mut timeout = Some(Duration::ZERO);
        while !self.stopped {
            self.port.wait(timeout, &mut completions)?;
            let now = self.now();
            for completion in completions.drain(..) {
                self.dispatch(completion, now);
            }
            self.work(now);
            timeout = self.timeout(now);
        }
        self.settle_disks()?;
        match self.engine.phase() {
            Phase::Ended(result) => Ok(result),
            Phase::Starting | Phase::Running => Ok(Ok(())),
        }
    }

    /// Lets operations of disks end, so that nothing is written once another has the disks.
    fn settle_disks(&mut self) -> io::Result<()> {
        let mut completions = Vec::new();
        self.gates.values_mut().for_each(DiskGate::forget_waiting);
        while self.gates.values().any(|gate| !gate.is_idle()) {
            self.port.wait(Some(EXPIRY_PERIOD), &mut completions)?;
            let now = self.now();
            for completion in completions.drain(..) {
                if let Token::Disk(disk, id) = completion.token
                    && let Some(gate) = self.gates.get_mut(&disk)
                {
                    gate.complete(id, completion, now, self.port.as_mut());
                }
            }
            self.gates.values_mut().for_each(|gate| drop(gate.expire(now)));
        }
        Ok(())
    }

    fn now(&self) -> Nanoseconds {
        nanoseconds(self.began.elapsed())
    }

    fn dispatch(&mut self, completion: Completion, now: Nanoseconds) {
        match completion.token {
            Token::Wake => {
                self.port.submit(Token::Wake, completion.operation);
                for mail in self.mailbox.take() {
                    self.read_mail(mail, now);
                }
            }
            Token::Receive(key) => {
                if let Some(connection) = self.connections.get_mut(&key) {
                    connection.received(completion);
                    self.touched.push(key);
                }
            }
            Token::Send(key) => {
                if let Some(connection) = self.connections.get_mut(&key) {
                    connection.sent(completion, self.port.as_mut());
                    self.touched.push(key);
                }
            }
            Token::Kick(key, queue, generation) => {
                if let Some(device) = self.devices.get_mut(&key) {
                    device.kicked(queue, generation);
                    self.touched.push(key);
                }
            }
            Token::Disk(disk, id) => {
                let Some(gate) = self.gates.get_mut(&disk) else { return };
                match gate.complete(id, completion, now, self.port.as_mut()) {
                    Ended::Done(done) => self.engine.complete(done),
                    Ended::AllDone(all) => {
                        for done in all {
                            self.engine.complete(done);
                        }
                    }
                    Ended::Nothing => {}
                    Ended::Answers => self.tell_answering(disk, true),
                }
            }
        }
    }

    /// A turn: requests to the engine, operations to disks, answers to clients, until all rest.
    fn work(&mut self, now: Nanoseconds) {
        self.expire(now);
        for arrived in self.volumes.release(now) {
            self.hand_in(arrived);
        }
        loop {
            let more = self.read_requests(now);
            self.engine.advance(now);
            while let Some(io) = self.engine.next_io() {
                match self.gates.get_mut(&io.disk) {
                    Some(gate) => gate.submit(io, now),
                    None => {
                        self.engine.complete(DiskDone { id: io.id, result: Err(DiskError::Gone) });
                    }
                }
            }
            self.gates.values_mut().for_each(|gate| gate.push_out(self.port.as_mut()));
            let called = self.answer_calls();
            let answered = self.answer_requests();
            if more {
                self.port.push_out();
            } else if !answered && !called {
                break;
            }
        }
        self.follow_phase(now);
        self.serve_touched();
        self.give_away(now);
    }

    /// Sends answers and asks for more of every connection where something has happened.
    fn serve_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for key in touched.drain(..) {
            if self.settle_device(key) {
                continue;
            }
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            connection.flush(self.port.as_mut());
            if self.giving_away.is_none() {
                connection.receive(self.port.as_mut());
            }
            if connection.is_closed() {
                self.connections.remove(&key);
            }
        }
        // Sending may have made room for requests that were received before.
        if self.giving_away.is_none() {
            let ready = self.connections.iter().filter(|(_, it)| it.is_ready_again());
            touched.extend(ready.map(|(key, _)| *key));
            let ready = self.devices.iter().filter(|(_, it)| it.is_ready_again());
            touched.extend(ready.map(|(key, _)| *key));
        }
        self.touched = touched;
    }

    fn expire(&mut self, now: Nanoseconds) {
        if now < self.expiry_at {
            return;
        }
        self.expiry_at = Nanoseconds(now.0 + nanoseconds(EXPIRY_PERIOD).0);
        let mut silent = Vec::new();
        for (disk, gate) in &mut self.gates {
            for done in gate.expire(now) {
                self.engine.complete(done);
            }
            if gate.answering() == Answering::Silent {
                silent.push(*disk);
            }
        }
        for disk in silent {
            self.tell_answering(disk, false);
        }
    }

    fn follow_phase(&mut self, now: Nanoseconds) {
        match self.engine.phase() {
            Phase::Starting => {}
            Phase::Running => {
                if !self.started {
                    self.started = true;
                    self.ask_volumes();
                    // The question is answered in the next turn, which comes at once.
                    self.expiry_at = now;
                }
            }
            Phase::Ended(_) => self.stopped = true,
        }
    }

    fn timeout(&self, now: Nanoseconds) -> Option<Duration> {
        if !self.touched.is_empty() {
            return Some(Duration::ZERO);
        }
        let busy = self.gates.values().any(|gate| !gate.is_idle());
        let expiry = (busy || self.expiry_at <= now).then_some(self.expiry_at);
        let giving_away = self.giving_away.as_ref().map(|(_, until)| *until);
        [self.engine.deadline(), self.volumes.deadline(), expiry, giving_away]
            .into_iter()
            .flatten()
            .min()
            .map(|at| Duration::from_nanos(at.0.saturating_sub(now.0)))
    }
}

fn nanoseconds(duration: Duration) -> Nanoseconds {
    Nanoseconds(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
