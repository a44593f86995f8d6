//! What other threads ask of a reactor, and what it answers them.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use purlin_block_core::control::{Control, ControlAnswer, ControlOp};
use purlin_block_core::disk::IoClass;
use purlin_block_core::request::{Request, Tag};
use purlin_block_core::{BlockError, Nanoseconds};

use super::connection::Connection;
use super::mailbox::{Mail, Report, Travelling};
use super::{Reactor, nanoseconds};
use crate::disk_gate::DiskGate;
use crate::engine::Engine;
use crate::nbd::protocol::NbdError;
use crate::port::token::{ConnectionKey, Token};
use crate::qos::weighted_queue::Weights;

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
}

impl<E: Engine> Reactor<E> {
    pub(super) fn read_mail(&mut self, mail: Mail, now: Nanoseconds) {
        match mail {
            Mail::Adopt(travelling) if self.started => self.adopt(travelling),
            Mail::Adopt(travelling) => self.early.push(travelling),
            Mail::Control(op, sender) => {
                if let ControlOp::SetRecoverySpeed(speed) = &op {
                    let weights = Weights::of(*speed);
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
            }
            Mail::GiveAway(sender) => self.begin_to_give_away(sender, now),
            Mail::Nudge => {}
            Mail::Attach(disk, gate) => drop(self.gates.insert(disk, *gate)),
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
        let mut connections: Vec<(String, usize)> =
            connections.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        connections.sort_unstable();
        let moved = self.gates.iter().map(|(disk, gate)| (disk.0, gate.moved_bytes()));
        let moved_bytes: Vec<(u32, [u64; IoClass::ALL.len()])> = moved.collect();
        Report {
            port: self.port.name(),
            connections,
            answered: self.answered,
            failed: self.failed,
            moved_bytes,
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
    }

    /// Gives the connections away once all is answered; takes them up again when time is out.
    pub(super) fn give_away(&mut self, now: Nanoseconds) {
        let Some((sender, until)) = &self.giving_away else { return };
        let quiet = self.pending.is_empty()
            && self.foreign.is_empty()
            && self.connections.values().all(|it| it.is_answered() && !it.is_receiving());
        if quiet {
            let given = self.connections.drain().map(|(_, connection)| {
                let (socket, session, pending) = connection.into_parts();
                Travelling { socket, session, pending }
            });
            let _ = sender.send(Some(given.collect()));
        } else if now >= *until {
            let _ = sender.send(None);
        } else {
            return;
        }
        self.giving_away = None;
        self.touched.extend(self.connections.keys());
    }
}
