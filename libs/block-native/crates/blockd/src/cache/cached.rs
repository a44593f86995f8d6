//! An engine with caches before its disks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::mpsc::Sender;

use purlin_block_core::control::{Control, ControlReply};
use purlin_block_core::disk::{Disk, DiskDone, DiskHandle, DiskIo, IoId};
use purlin_block_core::request::{Reply, Request};
use purlin_block_core::{BlockError, Nanoseconds};
use purlin_cache_core::cache::Phase as CachePhase;

use super::calls::{CacheAnswer, CacheCall, CallError};
use super::desk::{Desk, Placed};
use super::layer::Layer;
use super::recorder::Recorder;
use crate::engine::Engine;

/// Who asked for an operation on a disk.
enum Asker {
    Inner(IoId),
    Layer(DiskHandle, IoId),
}

/// A call that not every layer has answered.
struct Called {
    left: usize,
    error: Option<CallError>,
    sender: Sender<Result<CacheAnswer, CallError>>,
}

/// What goes into [`Cached::new`].
pub struct Parts {
    /// Cached disks by the inner engine's handles.
    pub layers: BTreeMap<DiskHandle, Layer>,
    /// Disks that are not reached by the reactor's port.
    pub remote: BTreeMap<DiskHandle, Box<dyn Disk>>,
    /// Where calls come from.
    pub desk: Desk,
    /// Whether the engine ends when one of its caches is refused. A pool goes on without the disk.
    pub ends_with_cache: bool,
}

/// An engine around an engine. Without layers it passes everything through.
pub struct Cached<E> {
    inner: E,
    parts: Parts,
    askers: HashMap<IoId, Asker>,
    next_io: u64,
    ios: VecDeque<DiskIo>,
    calls: HashMap<u64, Called>,
    next_call: u64,
    recorder: Option<Recorder>,
    now: Nanoseconds,
}

impl<E: Engine> Cached<E> {
    /// Puts caches before the disks of `inner`.
    #[must_use]
    pub fn new(inner: E, parts: Parts) -> Self {
        Self {
            inner,
            parts,
            askers: HashMap::new(),
            next_io: 0,
            ios: VecDeque::new(),
            calls: HashMap::new(),
            next_call: 0,
            recorder: None,
            now: Nanoseconds(0),
        }
    }

    fn is_plain(&self) -> bool {
        self.parts.layers.is_empty() && self.parts.remote.is_empty()
    }

    fn perform(&mut self, (call, sender): Placed) {
        let answer = match call {
            CacheCall::Status => {
                let layers = self.parts.layers.values().map(Layer::status);
                Ok(CacheAnswer::Status(layers.collect()))
            }
            CacheCall::RecordStart(volume) => {
                self.recorder = Some(Recorder::new(volume));
                Ok(CacheAnswer::Done)
            }
            CacheCall::RecordTake => Ok(CacheAnswer::Taken(
                self.recorder.as_mut().map(Recorder::take).unwrap_or_default(),
            )),
            CacheCall::RecordStop => {
                self.recorder = None;
                Ok(CacheAnswer::Done)
            }
            _ if self.parts.layers.is_empty() => Err(CallError::NoCache),
            of_layers => {
                let number = self.next_call;
                self.next_call += 1;
                let left = self.parts.layers.len();
                self.calls.insert(number, Called { left, error: None, sender });
                for layer in self.parts.layers.values_mut() {
                    match &of_layers {
                        CacheCall::Mode(mode) => layer.set_mode(number, *mode),
                        CacheCall::Flush => layer.flush(number),
                        CacheCall::AcceptLoss => layer.accept_loss(number),
                        CacheCall::Detach => layer.detach(number),
                        CacheCall::Adopt(device) => layer.adopt(number, device),
                        CacheCall::Dismiss(device) => layer.dismiss(number, device),
                        _ => layer.attach(number),
                    }
                }
                return;
            }
        };
        // A caller that has given up waiting is gone.
        let _ = sender.send(answer);
    }

    fn answer_call(&mut self, number: u64, result: Result<(), CallError>) {
        let Some(called) = self.calls.get_mut(&number) else { return };
        called.left -= 1;
        called.error = called.error.take().or(result.err());
        if called.left == 0
            && let Some(Called { error, sender, .. }) = self.calls.remove(&number)
        {
            let _ = sender.send(error.map_or(Ok(CacheAnswer::Done), Err));
        }
    }

    fn emit(&mut self, asker: Asker, io: DiskIo) {
        self.next_io += 1;
        let id = IoId(self.next_io);
        self.askers.insert(id, asker);
        let io = DiskIo { id, ..io };
        match self.parts.remote.get_mut(&io.disk) {
            Some(disk) => disk.submit(io),
            None => self.ios.push_back(io),
        }
    }

    fn finish(&mut self, done: DiskDone) {
        match self.askers.remove(&done.id) {
            Some(Asker::Inner(id)) => self.inner.complete(DiskDone { id, ..done }),
            Some(Asker::Layer(disk, id)) => {
                if let Some(layer) = self.parts.layers.get_mut(&disk) {
                    layer.complete(DiskDone { id, ..done });
                }
            }
            None => {}
        }
    }

    /// Lets engine and caches work until neither has something for the other.
    fn settle(&mut self) {
        loop {
            while let Some(io) = self.inner.next_io() {
                match self.parts.layers.get_mut(&io.disk) {
                    Some(layer) => layer.submit(io),
                    None => self.emit(Asker::Inner(io.id), io),
                }
            }
            let (mut done, mut called, mut asked) = (Vec::new(), Vec::new(), Vec::new());
            for (handle, layer) in &mut self.parts.layers {
                layer.advance(self.now);
                while let Some(io) = layer.next_io() {
                    asked.push((*handle, io));
                }
                done.extend(layer.done.drain(..));
                called.extend(layer.called.drain(..));
            }
            for (handle, io) in asked {
                self.emit(Asker::Layer(handle, io.id), io);
            }
            for (number, result) in called {
                self.answer_call(number, result);
            }
            if done.is_empty() {
                return;
            }
            for done in done {
                self.inner.complete(done);
            }
            self.inner.advance(self.now);
        }
    }

    fn refusal(&self) -> Option<BlockError> {
        let refused = |layer: &Layer| match layer.phase() {
            CachePhase::Refused(error) => Some(format!("{}: {error}", layer.status().origin)),
            _ => None,
        };
        let reason = self.parts.layers.values().find_map(refused)?;
        Some(BlockError::Closed { reason })
    }
}

impl<E: Engine> Engine for Cached<E> {
    fn submit(&mut self, request: Request) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&request);
        }
        self.inner.submit(request);
    }

    fn control(&mut self, call: Control) {
        self.inner.control(call);
    }

    fn complete(&mut self, done: DiskDone) {
        if self.is_plain() { self.inner.complete(done) } else { self.finish(done) }
    }

    fn advance(&mut self, now: Nanoseconds) {
        self.now = now;
        for placed in self.parts.desk.take() {
            self.perform(placed);
        }
        let arrived: Vec<DiskDone> = self
            .parts
            .remote
            .values_mut()
            .flat_map(|disk| std::iter::from_fn(|| disk.poll()))
            .collect();
        for done in arrived {
            self.finish(done);
        }
        self.inner.advance(now);
        if !self.is_plain() {
            self.settle();
        }
    }

    fn next_io(&mut self) -> Option<DiskIo> {
        if self.is_plain() { self.inner.next_io() } else { self.ios.pop_front() }
    }

    fn next_reply(&mut self) -> Option<Reply> {
        self.inner.next_reply()
    }

    fn next_control_reply(&mut self) -> Option<ControlReply> {
        self.inner.next_control_reply()
    }

    fn deadline(&self) -> Option<Nanoseconds> {
        let layers = self.parts.layers.values().filter_map(Layer::deadline);
        layers.chain(self.inner.deadline()).min()
    }

    fn phase(&self) -> purlin_block_core::Phase {
        use purlin_block_core::Phase;
        let starting = |layer: &Layer| layer.phase() == CachePhase::Starting;
        match self.inner.phase() {
            Phase::Running if self.parts.ends_with_cache => match self.refusal() {
                Some(error) => Phase::Ended(Err(error)),
                None if self.parts.layers.values().any(starting) => Phase::Starting,
                None => Phase::Running,
            },
            phase => phase,
        }
    }
}
