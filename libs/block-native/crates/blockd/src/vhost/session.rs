//! One front end: what it has agreed on and handed over. It runs in a thread of its own and calls
//! the reactor for what concerns requests; no request passes here.
//!
//! All of it but descriptors can be written down, and descriptors go by their parts, so that a
//! session goes over to another process as it is ([`Passport`]).

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde::{Deserialize, Serialize};

use super::config_space::{CONFIG_BYTES_MAX, config_space, told_bytes};
use super::device::DeviceMail;
use super::inflight::{self, Inflight, Shape};
use super::memory::{Memory, Region};
use super::message::{Message, receive, reply};
use super::protocol::{
    DESCRIPTORS_MAX, NEED_REPLY, Payload, QUEUE_SIZE_MAX, QUEUES_MAX, Request, feature,
    protocol_feature,
};
use super::refusal::Refusal;
use super::ring::{RingSetup, ring_lengths};
use crate::directory::{Directory, Offer};
use crate::nbd::exports::Exports;
use crate::port::operation::Handle;
use crate::port::token::ConnectionKey;
use crate::reactor::mailbox::{Mail, Mailbox};

/// For a queue to answer what was begun; an operation of a disk has a minute.
const STOP_TIMEOUT: Duration = Duration::from_secs(75);
/// A message says so where no descriptor comes with it.
const NO_DESCRIPTOR: u64 = 1 << 8;
const INDEX_MASK: u64 = 0xff;

/// What a descriptor is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The file of a region of memory.
    Memory(usize),
    /// The file of what is in flight.
    Inflight,
    /// The channel for the daemon's own words.
    Notices,
    /// What the guest wakes a queue with.
    Kick(u16),
    /// What wakes the guest.
    Call(u16),
    /// What tells of a broken queue.
    Error(u16),
}

/// A queue as the front end describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Queue {
    size: u16,
    /// Descriptors, used ring, available ring, as the front end has them.
    places: Option<[u64; 3]>,
    /// Where it is read from; `None` where it has answered all it had begun.
    base: Option<u16>,
    enabled: bool,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    features: u64,
    protocol_features: u64,
    regions: Vec<Region>,
    inflight: Option<Shape>,
    queues: BTreeMap<u16, Queue>,
    told_bytes: u64,
}

/// A session on its way to another process.
pub struct Passport {
    /// The volume.
    pub volume: String,
    /// The front end's connection.
    pub socket: Handle,
    /// What was agreed on.
    pub state: State,
    /// What was handed over.
    pub parts: BTreeMap<Part, Handle>,
}

/// A session.
pub struct Session {
    key: ConnectionKey,
    directory: Arc<Directory>,
    mailbox: Mailbox,
    volume: String,
    socket: Handle,
    state: State,
    parts: BTreeMap<Part, Handle>,
    memory: Option<Arc<Memory>>,
    inflight: Option<Arc<Inflight>>,
    started: BTreeSet<u16>,
}

/// What a message is answered with.
enum Answer {
    /// A word of success, where one is wanted.
    Done,
    /// A word of failure, where one is wanted.
    Failed,
    /// What was asked.
    Payload(Vec<u8>, Option<OwnedFd>),
}

fn malformed<T>(what: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed { what })
}

impl Session {
    /// A session with its device in the volume's reactor, as `passport` has it; queues that were
    /// served are served.
    ///
    /// # Errors
    /// The volume is gone, or [`Refusal`].
    pub fn open(
        key: ConnectionKey,
        directory: Arc<Directory>,
        passport: Passport,
    ) -> Result<Self, Refusal> {
        let Passport { volume, socket, state, parts } = passport;
        let Some(mailbox) = directory.mailbox(&volume) else {
            return malformed("a connection to a volume that is gone");
        };
        let mut session = Self {
            key,
            directory,
            mailbox,
            volume,
            socket,
            state,
            parts,
            memory: None,
            inflight: None,
            started: BTreeSet::new(),
        };
        session.map()?;
        session.open_device()?;
        Ok(session)
    }

    /// Takes a message and answers it. Whether the front end is still there.
    ///
    /// # Errors
    /// [`Refusal`]: the session is over.
    pub fn serve_one(&mut self) -> Result<bool, Refusal> {
        let Some(message) = receive(self.socket.as_fd())? else { return Ok(false) };
        let number = message.head.request;
        let wanted = message.head.flags & NEED_REPLY != 0
            && self.state.protocol_features & protocol_feature::REPLY_ACK != 0;
        let answer = self.handle(message)?;
        self.start_ready()?;
        let socket = self.socket.as_fd();
        match answer {
            Answer::Payload(payload, descriptor) => {
                reply(socket, number, &payload, descriptor.as_ref())?;
            }
            Answer::Done if wanted => reply(socket, number, &0u64.to_le_bytes(), None)?,
            Answer::Failed if wanted => reply(socket, number, &1u64.to_le_bytes(), None)?,
            Answer::Done | Answer::Failed => {}
        }
        Ok(true)
    }

    /// Tells the reactor that the front end is gone.
    pub fn close(&self) {
        self.send(DeviceMail::Close);
    }

    /// The session as another process goes on with it. It is to be asked for nothing afterwards but
    /// [`Self::take_up_again`].
    #[must_use]
    pub fn passport(&self) -> Passport {
        let mut state = self.state.clone();
        self.forget_bases(&mut state);
        let socket = Arc::clone(&self.socket);
        Passport { volume: self.volume.clone(), socket, state, parts: self.parts.clone() }
    }

    /// Queues that are served go on behind what they have answered.
    fn forget_bases(&self, state: &mut State) {
        for (index, queue) in &mut state.queues {
            if self.started.contains(index) {
                queue.base = None;
            }
        }
    }

    /// Goes on here with another device: the other process did not take the session over, and the
    /// reactor may have forgotten it.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn take_up_again(&mut self, key: ConnectionKey) -> Result<(), Refusal> {
        self.close();
        self.key = key;
        let mut state = std::mem::take(&mut self.state);
        self.forget_bases(&mut state);
        self.state = state;
        self.open_device()
    }

    /// The connection.
    #[must_use]
    pub fn socket(&self) -> Handle {
        Arc::clone(&self.socket)
    }

    fn open_device(&mut self) -> Result<(), Refusal> {
        self.started.clear();
        let told_bytes = match self.state.told_bytes {
            0 => self.size_bytes(),
            told => told,
        };
        let (volume, socket) = (self.volume.clone(), self.socket());
        self.send(DeviceMail::Open { volume, socket, told_bytes });
        if let Some(notices) = self.parts.get(&Part::Notices) {
            self.send(DeviceMail::Notices(Some(Arc::clone(notices))));
        }
        self.start_ready()
    }

    fn send(&self, mail: DeviceMail) {
        self.mailbox.send(Mail::Device(self.key, mail));
    }

    fn size_bytes(&self) -> u64 {
        let directory = Arc::clone(&self.directory);
        let offer = Offer { directory, volume: Some(self.volume.clone()) };
        offer.find("").map_or(0, |export| told_bytes(export.size_bytes))
    }

    fn handle(&mut self, message: Message) -> Result<Answer, Refusal> {
        let number = message.head.request;
        let Some(request) = Request::of_number(number) else {
            return Err(Refusal::Unknown { request: number });
        };
        let Message { payload, descriptors, .. } = message;
        let payload = Payload(&payload);
        let number = |number: u64| Ok(Answer::Payload(number.to_le_bytes().to_vec(), None));
        match request {
            Request::GetFeatures => number(feature::OFFERED),
            Request::GetProtocolFeatures => number(protocol_feature::OFFERED),
            Request::GetQueueNum => number(QUEUES_MAX.into()),
            Request::SetOwner => Ok(Answer::Done),
            Request::ResetOwner => self.reset(),
            Request::SetFeatures => self.set_features(payload),
            Request::SetProtocolFeatures => self.set_protocol_features(payload),
            Request::SetMemTable => self.set_memory(payload, descriptors),
            Request::SetVringNum | Request::SetVringBase | Request::SetVringEnable => {
                self.set_number(request, payload)
            }
            Request::SetVringAddr => self.set_places(payload),
            Request::GetVringBase => self.end_queue(payload),
            Request::SetVringKick => self.set_counter(payload, descriptors, Part::Kick),
            Request::SetVringCall => self.set_counter(payload, descriptors, Part::Call),
            Request::SetVringErr => self.set_counter(payload, descriptors, Part::Error),
            Request::SetBackendRequest => self.set_notices(descriptors),
            Request::GetConfig => Ok(self.config(payload)),
            Request::SetConfig => Ok(Answer::Failed),
            Request::GetInflight => Self::make_inflight(payload),
            Request::SetInflight => self.set_inflight(payload, descriptors),
        }
    }

    fn set_features(&mut self, payload: Payload<'_>) -> Result<Answer, Refusal> {
        let features = payload.eight(0).unwrap_or(u64::MAX);
        if features & !feature::OFFERED != 0 {
            return malformed("features that were not offered");
        }
        if features != self.state.features {
            self.stop_all()?;
            self.state.features = features;
        }
        Ok(Answer::Done)
    }

    fn reset(&mut self) -> Result<Answer, Refusal> {
        self.stop_all()?;
        self.state.queues.values_mut().for_each(|queue| queue.enabled = false);
        Ok(Answer::Done)
    }

    fn set_protocol_features(&mut self, payload: Payload<'_>) -> Result<Answer, Refusal> {
        let features = payload.eight(0).unwrap_or(u64::MAX);
        if features & !protocol_feature::OFFERED != 0 {
            return malformed("features of the protocol that were not offered");
        }
        self.state.protocol_features = features;
        Ok(Answer::Done)
    }

    fn set_memory(
        &mut self,
        payload: Payload<'_>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        let count = payload.four(0).unwrap_or(u32::MAX) as usize;
        if count == 0 || count > DESCRIPTORS_MAX || count != descriptors.len() {
            return malformed("a table of memory with other files than regions");
        }
        let region = |index: usize| {
            let word = |at: usize| payload.eight(8 + 32 * index + at);
            let (guest, length) = (word(0)?, word(8)?);
            Some(Region { guest, length, front_end: word(16)?, offset: word(24)? })
        };
        let Some(regions) = (0..count).map(region).collect::<Option<Vec<Region>>>() else {
            return malformed("half a table of memory");
        };
        self.stop_all()?;
        self.parts.retain(|part, _| !matches!(part, Part::Memory(_)));
        let files = descriptors.into_iter().map(Arc::new);
        self.parts.extend(files.enumerate().map(|(index, file)| (Part::Memory(index), file)));
        self.state.regions = regions;
        self.map()?;
        Ok(Answer::Done)
    }

    /// Maps the memory that was handed over.
    fn map(&mut self) -> Result<(), Refusal> {
        let files: Vec<Handle> = (0..self.state.regions.len())
            .filter_map(|index| self.parts.get(&Part::Memory(index)).cloned())
            .collect();
        if !files.is_empty() {
            self.memory = Some(Arc::new(Memory::map(&self.state.regions, &files)?));
        }
        if let (Some(shape), Some(file)) = (self.state.inflight, self.parts.get(&Part::Inflight)) {
            self.inflight = Some(Arc::new(Inflight::map(file, shape)?));
        }
        Ok(())
    }

    fn set_number(&mut self, request: Request, payload: Payload<'_>) -> Result<Answer, Refusal> {
        let (Some(index), Some(number)) = (payload.four(0), payload.four(4)) else {
            return malformed("half a number of a queue");
        };
        let index = queue_index(index.into())?;
        let Ok(number) = u16::try_from(number) else {
            return malformed("a number that no queue has");
        };
        if request == Request::SetVringNum
            && !(number.is_power_of_two() && number <= QUEUE_SIZE_MAX)
        {
            return malformed("a size that no queue has");
        }
        self.stop(index)?;
        let queue = self.state.queues.entry(index).or_default();
        match request {
            Request::SetVringNum => queue.size = number,
            Request::SetVringBase => queue.base = Some(number),
            _ => queue.enabled = number != 0,
        }
        Ok(Answer::Done)
    }

    fn set_places(&mut self, payload: Payload<'_>) -> Result<Answer, Refusal> {
        let places = [payload.eight(8), payload.eight(16), payload.eight(24)];
        let (Some(index), [Some(descriptors), Some(used), Some(available)]) =
            (payload.four(0), places)
        else {
            return malformed("half a place of a queue");
        };
        let index = queue_index(index.into())?;
        let places = Some([descriptors, used, available]);
        if self.state.queues.get(&index).is_some_and(|queue| queue.places == places) {
            return Ok(Answer::Done);
        }
        self.stop(index)?;
        self.state.queues.entry(index).or_default().places = places;
        Ok(Answer::Done)
    }

    fn end_queue(&mut self, payload: Payload<'_>) -> Result<Answer, Refusal> {
        let index = payload.four(0).map_or(u64::MAX, u64::from);
        let index = queue_index(index)?;
        self.stop(index)?;
        for part in [Part::Kick(index), Part::Call(index), Part::Error(index)] {
            self.parts.remove(&part);
        }
        let base = self.state.queues.get(&index).and_then(|queue| queue.base).unwrap_or(0);
        let mut answer = u32::from(index).to_le_bytes().to_vec();
        answer.extend(u32::from(base).to_le_bytes());
        Ok(Answer::Payload(answer, None))
    }

    fn set_counter(
        &mut self,
        payload: Payload<'_>,
        descriptors: Vec<OwnedFd>,
        part: fn(u16) -> Part,
    ) -> Result<Answer, Refusal> {
        let word = payload.eight(0).unwrap_or(u64::MAX);
        let index = queue_index(word & INDEX_MASK)?;
        let part = part(index);
        let counter = match (word & NO_DESCRIPTOR, descriptors.into_iter().next()) {
            (0, Some(descriptor)) => Some(checked_counter(descriptor)?),
            (0, None) => return malformed("a queue's counter without a descriptor"),
            _ => None,
        };
        if matches!(part, Part::Kick(_)) && counter.is_none() {
            return malformed("a queue that is to be looked at without end");
        }
        if matches!(part, Part::Call(_)) {
            self.send(DeviceMail::Call(index, counter.clone()));
        } else {
            self.stop(index)?;
        }
        match counter {
            Some(counter) => self.parts.insert(part, counter),
            None => self.parts.remove(&part),
        };
        Ok(Answer::Done)
    }

    fn set_notices(&mut self, descriptors: Vec<OwnedFd>) -> Result<Answer, Refusal> {
        let Some(channel) = descriptors.into_iter().next() else {
            return malformed("a channel without a descriptor");
        };
        let channel = Arc::new(channel);
        self.parts.insert(Part::Notices, Arc::clone(&channel));
        self.send(DeviceMail::Notices(Some(channel)));
        Ok(Answer::Done)
    }

    /// The device's configuration; an answer without payload says that there is no such part of it.
    fn config(&mut self, payload: Payload<'_>) -> Answer {
        let (Some(offset), Some(size), Some(flags)) =
            (payload.four(0), payload.four(4), payload.four(8))
        else {
            return Answer::Payload(Vec::new(), None);
        };
        if offset.checked_add(size).is_none_or(|end| end > CONFIG_BYTES_MAX) {
            return Answer::Payload(Vec::new(), None);
        }
        self.state.told_bytes = self.size_bytes();
        let mut space = config_space(self.state.told_bytes);
        space.resize(CONFIG_BYTES_MAX as usize, 0);
        let mut answer = Vec::new();
        answer.extend([offset, size, flags].iter().flat_map(|word| word.to_le_bytes()));
        answer.extend(&space[offset as usize..(offset + size) as usize]);
        Answer::Payload(answer, None)
    }

    fn make_inflight(payload: Payload<'_>) -> Result<Answer, Refusal> {
        let (Some(queues), Some(places)) = (payload.two(16), payload.two(18)) else {
            return malformed("half a wish for memory");
        };
        let shape = Shape::of(queues, places)?;
        let file = inflight::create(&shape)?;
        let mut answer = Vec::new();
        answer.extend([shape.bytes, shape.offset].iter().flat_map(|word| word.to_le_bytes()));
        answer.extend([queues, places, 0, 0].iter().flat_map(|word| word.to_le_bytes()));
        Ok(Answer::Payload(answer, Some(file)))
    }

    fn set_inflight(
        &mut self,
        payload: Payload<'_>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        let words = (payload.eight(0), payload.eight(8), payload.two(16), payload.two(18));
        let (Some(bytes), Some(offset), Some(queues), Some(places)) = words else {
            return malformed("half a description of memory");
        };
        let Some(file) = descriptors.into_iter().next() else {
            return malformed("memory without a descriptor");
        };
        self.stop_all()?;
        let shape = Shape { bytes, offset, queues, places };
        let file = Arc::new(file);
        self.inflight = Some(Arc::new(Inflight::map(&file, shape)?));
        self.state.inflight = Some(shape);
        self.parts.insert(Part::Inflight, file);
        Ok(Answer::Done)
    }

    fn stop_all(&mut self) -> Result<(), Refusal> {
        for index in self.started.clone() {
            self.stop(index)?;
        }
        Ok(())
    }

    /// Lets a queue answer what was begun of it, if it is served.
    fn stop(&mut self, index: u16) -> Result<(), Refusal> {
        if !self.started.remove(&index) {
            return Ok(());
        }
        let (sender, receiver) = channel();
        self.send(DeviceMail::Stop(index, sender));
        let base = receiver.recv_timeout(STOP_TIMEOUT).map_err(|_| Refusal::Late)?;
        self.state.queues.entry(index).or_default().base = Some(base);
        Ok(())
    }

    /// Serves every queue for which there is all that it takes.
    fn start_ready(&mut self) -> Result<(), Refusal> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let always = self.state.features & feature::PROTOCOL == 0;
        for (index, queue) in &self.state.queues {
            let (Some(kick), Some(places)) = (self.parts.get(&Part::Kick(*index)), queue.places)
            else {
                continue;
            };
            let ready = (queue.enabled || always) && queue.size > 0;
            if !ready || self.started.contains(index) {
                continue;
            }
            let Some([descriptors, used, available]) = addresses(memory, queue.size, places) else {
                return malformed("a queue that is not in the guest's memory");
            };
            let has = |feature: u64| self.state.features & feature != 0;
            let setup = RingSetup {
                memory: Arc::clone(memory),
                size: queue.size,
                descriptors,
                available,
                used,
                base: queue.base,
                event_index: has(feature::EVENT_INDEX),
                durable: !has(feature::FLUSH),
                kick: Arc::clone(kick),
                call: self.parts.get(&Part::Call(*index)).cloned(),
                error: self.parts.get(&Part::Error(*index)).cloned(),
                inflight: self.inflight.clone(),
            };
            self.send(DeviceMail::Start(*index, Box::new(setup)));
            self.started.insert(*index);
        }
        Ok(())
    }
}

/// The guest's addresses of a queue's descriptors, used ring and available ring.
fn addresses(memory: &Memory, size: u16, places: [u64; 3]) -> Option<[u64; 3]> {
    let [descriptors, used, available] = places;
    let lengths = ring_lengths(size);
    Some([
        memory.guest_address(descriptors, lengths[0])?,
        memory.guest_address(used, lengths[1])?,
        memory.guest_address(available, lengths[2])?,
    ])
}

fn queue_index(index: u64) -> Result<u16, Refusal> {
    match u16::try_from(index) {
        Ok(index) if index < QUEUES_MAX => Ok(index),
        _ => malformed("the number of a queue that is not there"),
    }
}

/// A counter of the front end (eventfd(2)) that nobody here can be made to wait for. Anything else
/// might always be ready to be read, and keep a reactor from all else.
fn checked_counter(descriptor: OwnedFd) -> Result<Handle, Refusal> {
    let link = PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
    let kind = std::fs::read_link(link)?;
    if kind.as_os_str() != "anon_inode:[eventfd]" {
        return malformed("a queue's counter that is none");
    }
    let flags = fcntl_getfl(&descriptor)?;
    fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
    Ok(Arc::new(descriptor))
}
