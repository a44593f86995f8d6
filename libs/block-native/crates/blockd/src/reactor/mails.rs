//! What other threads ask of a reactor, and what it answers them.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use purlin_block_core::control::{Control, ControlAnswer, ControlOp};
use purlin_block_core::disk::{DiskHandle, IoClass};
use purlin_block_core::request::{Request, Tag};
use purlin_block_core::{BlockError, Nanoseconds};

use super::connection::Connection;
use super::mailbox::{Mail, Report, Travelling};
use super::{Reactor, nanoseconds};
use crate::disk_gate::{Answering, DiskGate};
use crate::engine::Engine;
use crate::nbd::protocol::NbdError;
use crate::port::token::{ConnectionKey, Token};
use crate::qos::weighted_queue::Weights;
use crate::vhost::device::Device;

/// How long [`Mail::GiveAway`] waits for requests under way.
const GIVE_AWAY_TIMEOUT: Duration = Duration::from_millis(600);

/// Set in tags of requests that are of no connection.
const FOREIGN: u64 = 1 << 63;

/// A call the engine has not answered.
pub(super) enum CallInFlight {
    /// Of someone else; whether the volumes may differ after it.
    Foreign { sender: Sender<Result<ControlAnswer, BlockError>>, changes: bool },
    /// The reactor's own question for the volumes.
    Volumes,
    /// The reactor's own word on whether a disk answers.
    Answering { disk: DiskHandle, answers: bool },
}

impl<E: Engine> Reactor<E> {
    pub(super) fn read_mail(&mut self, mail: Mail, now: Nanoseconds) {
        match mail {
            Mail::Adopt(travelling) if self.started => self.adopt(travelling),
            Mail::Adopt(travelling) => self.early.push(travelling),
            Mail::Control(op, sender) => {
                if let ControlOp::SetRecoverySpeed(speed) = &op {
                    let weights = Weights::of(*speed);
                    self.weights = Some(weights);
                    self.gates.values_mut().for_each(|gate| gate.set_weights(weights));
                }
                let changes = !matches!(op, ControlOp::Status | ControlOp::Close);
                self.call(op, CallInFlight::Foreign { sender, changes });
            }
            Mail::Request(volume, op, sender) => {
                let tag = Tag(FOREIGN | self.next_call);
                self.next_call += 1;
                self.foreign.insert(tag, sender);
                self.engine.submit(Request { tag, volume, op });
            }
            Mail::SetLimits(name, limits) => {
                if let Some(id) = self.volumes.id(&name) {
                    self.volumes.limit(id, &limits, now);
                }
            }
            Mail::Report(sender) => {
                let _ = sender.send(self.report());
            }
            Mail::Disconnect(name) => {
                for (key, connection) in &mut self.connections {
                    if connection.session.export.volume == name {
                        connection.break_off();
                        self.touched.push(*key);
                    }
                }
                self.devices.values().filter(|it| it.name == name).for_each(Device::hang_up);
            }
            Mail::GiveAway(sender) => self.begin_to_give_away(sender, now),
            Mail::Device(key, mail) => self.read_device_mail(key, mail),
            Mail::Nudge => {}
            Mail::Attach(disk, mut gate) => {
                if let Some(weights) = self.weights {
                    gate.set_weights(weights);
                }
                self.gates.insert(disk, *gate);
            }
            Mail::Detach(disk) => {
                if self.gates.get(&disk).is_some_and(DiskGate::is_idle) {
                    self.gates.remove(&disk);
                }
            }
            Mail::Stop => self.stopped = true,
        }
    }

    fn adopt(&mut self, travelling: Travelling) {
        let Travelling { socket, session, pending } = travelling;
        // A volume that went away meanwhile: the socket is closed, which says as much.
        let Some(volume) = self.volumes.id(&session.export.volume) else { return };
        let key = ConnectionKey(self.next_key);
        self.next_key += 1;
        let connection = Connection::new(key, socket, session, volume, &pending);
        self.connections.insert(key, connection);
        self.touched.push(key);
    }

    fn call(&mut self, op: ControlOp, call: CallInFlight) {
        let tag = Tag(self.next_call);
        self.next_call += 1;
        self.calls.insert(tag, call);
        self.engine.control(Control { tag, op });
    }

    /// Tells the engine that a disk answers nothing any more, or does again.
    pub(super) fn tell_answering(&mut self, disk: DiskHandle, answers: bool) {
        let told = |call: &CallInFlight| match call {
            CallInFlight::Answering { disk, .. } => Some(*disk),
            _ => None,
        };
        if answers || !self.calls.values().any(|call| told(call) == Some(disk)) {
            let call = CallInFlight::Answering { disk, answers };
            self.call(ControlOp::SetAnswering { disk, answers }, call);
        }
    }

    /// The engine does without a silent disk from now on, or has one back.
    fn follow_answering(&mut self, disk: DiskHandle, answers: bool) {
        if answers {
            return self.watcher.disk_answers(disk, true);
        }
        let done = self.gates.get_mut(&disk).map(DiskGate::set_aside).unwrap_or_default();
        if !done.is_empty() {
            self.watcher.disk_answers(disk, false);
        }
        for done in done {
            self.engine.complete(done);
        }
    }

    /// Asks the engine which volumes there are.
    pub(super) fn ask_volumes(&mut self) {
        self.call(ControlOp::Status, CallInFlight::Volumes);
    }

    /// Passes the engine's answers on. Who has changed something is answered when the daemon knows
    /// of the change, so that what follows finds it done.
    /// Whether there was one.
    pub(super) fn answer_calls(&mut self) -> bool {
        let mut any = false;
        while let Some(reply) = self.engine.next_control_reply() {
            any = true;
            match (self.calls.remove(&reply.tag), reply.result) {
                (Some(CallInFlight::Foreign { sender, changes: true }), Ok(answer)) => {
                    self.held_answers.push((sender, answer));
                    self.ask_volumes();
                }
                (Some(CallInFlight::Answering { disk, answers }), Ok(_)) => {
                    self.follow_answering(disk, answers);
                }
                // A caller that has given up waiting is gone.
                (Some(CallInFlight::Foreign { sender, .. }), result) => {
                    let _ = sender.send(result);
                }
                (Some(CallInFlight::Volumes), Ok(ControlAnswer::Status(status))) => {
                    for orphan in self.volumes.update(&status.volumes) {
                        self.refuse(orphan.connection, &orphan.head, NbdError::ShuttingDown);
                        self.touched.push(orphan.connection);
                    }
                    self.watcher.volumes(&status.volumes);
                    self.tell_sizes();
                    for (sender, answer) in self.held_answers.drain(..) {
                        let _ = sender.send(Ok(answer));
                    }
                    for travelling in std::mem::take(&mut self.early) {
                        self.adopt(travelling);
                    }
                }
                _ => {}
            }
        }
        any
    }

    fn report(&self) -> Report {
        let mut connections: HashMap<&str, usize> = HashMap::new();
        for connection in self.connections.values() {
            *connections.entry(&connection.session.export.volume).or_default() += 1;
        }
        for device in self.devices.values().filter(|device| !device.is_closed()) {
            *connections.entry(&device.name).or_default() += 1;
        }
        let mut connections: Vec<(String, usize)> =
            connections.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        connections.sort_unstable();
        let moved = self.gates.iter().map(|(disk, gate)| (disk.0, gate.moved_bytes()));
        let moved_bytes: Vec<(u32, [u64; IoClass::ALL.len()])> = moved.collect();
        let silent = self.gates.iter().filter(|(_, gate)| gate.answering() != Answering::Yes);
        let silent_disks = silent.map(|(disk, _)| disk.0).collect();
        Report {
            port: self.port.name(),
            connections,
            answered: self.answered,
            failed: self.failed,
            moved_bytes,
            silent_disks,
        }
    }

    fn begin_to_give_away(&mut self, sender: Sender<Option<Vec<Travelling>>>, now: Nanoseconds) {
        self.giving_away = Some((sender, Nanoseconds(now.0 + nanoseconds(GIVE_AWAY_TIMEOUT).0)));
        for arrived in self.volumes.release_all() {
            self.hand_in(arrived);
        }
        for (key, connection) in &mut self.connections {
            if connection.is_receiving() {
                self.port.cancel(Token::Receive(*key));
            }
        }
        for device in self.devices.values_mut() {
            device.rest(self.port.as_mut());
        }
    }

    /// Gives the connections away once all is answered; takes them up again when time is out.
    pub(super) fn give_away(&mut self, now: Nanoseconds) {
        let Some((sender, until)) = &self.giving_away else { return };
        let quiet = self.pending.is_empty()
            && self.foreign.is_empty()
            && self.connections.values().all(|it| it.is_answered() && !it.is_receiving())
            && self.devices.values().all(Device::is_idle);
        if quiet {
            let given = self.connections.drain().map(|(_, connection)| {
                let (socket, session, pending) = connection.into_parts();
                Travelling { socket, session, pending }
            });
            let _ = sender.send(Some(given.collect()));
            // Their sessions are given to the successor beside.
            self.devices.clear();
        } else if now >= *until {
            let _ = sender.send(None);
        } else {
            return;
        }
        self.giving_away = None;
        self.touched.extend(self.connections.keys().chain(self.devices.keys()));
    }
}
