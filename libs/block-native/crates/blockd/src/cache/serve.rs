//! `purlin-blockd cache-serve`: any slow device with SSDs before it, over NBD.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use purlin_block_core::BlockError;
use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::control::{RecoverySpeed, VolumeStatus};
use purlin_block_core::disk::{Disk, DiskHandle};
use purlin_block_core::request::VolumeId;
use purlin_cache_core::cache::Mode;
use serde_json::{Value, json};

use super::cached::{Cached, Parts};
use super::calls::{CacheCall, DRAINED, SOON};
use super::desk::Desk;
use super::devices::DeviceBook;
use super::identity::{new_cache_id, new_origin_id, origin_id, random};
use super::layer::{Layer, LayerPlan, Part};
use super::lock_file::{LockFile, LockWords};
use super::nbd_address;
use super::nbd_disk::NbdDisk;
use super::status::of_answer;
use crate::config;
use crate::control::protocol::{Call, Failure};
use crate::control::serve_callers;
use crate::daemon::disks::{OpenDisk, open_disk};
use crate::daemon::sockets::{CONTROL, SocketFolder};
use crate::directory::Directory;
use crate::disk_gate::DiskGate;
use crate::plan::DiskPlan;
use crate::port::{self, PortChoice};
use crate::qos::weighted_queue::Weights;
use crate::raw::{RawEngine, RawVolume};
use crate::reactor::mailbox::{Mail, Mailbox};
use crate::reactor::{Gates, Reactor, Watcher};
use crate::server::greet::Service;
use crate::server::listeners::{Duty, Listeners};

/// Opening reads the cache's table.
const START_TIMEOUT: Duration = Duration::from_mins(5);
/// Everything answered is recorded on the SSDs.
const FLUSH_TIMEOUT: Duration = Duration::from_mins(1);
/// The handle of the slow device; the SSDs follow.
const ORIGIN: DiskHandle = DiskHandle(0);

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// The slow device: a path or an NBD address.
    pub origin: String,
    /// One SSD, or two that mirror what is dirty.
    pub devices: Vec<PathBuf>,
    /// How large a device's file is made when it is not there.
    pub size_bytes: Option<u64>,
    /// What is done with writes; `None` leaves it as it was, writethrough at first.
    pub mode: Option<Mode>,
    /// The most that may be dirty, in percent.
    pub dirty_percent_max: u32,
    /// Dirty pages go home in the order of the flushes.
    pub ordered: bool,
    /// The name of the volume.
    pub name: String,
    /// The folder of sockets.
    pub sockets: PathBuf,
    /// The folder of locks.
    pub locks: PathBuf,
    /// Which port the reactor uses.
    pub port: PortChoice,
    /// Writes over whatever is on the SSDs.
    pub overwrite: bool,
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CacheServeError {
    /// Nothing is wrong with the machine.
    #[error("{0}")]
    Input(String),
    /// The system refused.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// What was said.
        cause: io::Error,
    },
    /// The cache cannot be used.
    #[error("{0}")]
    Refused(String),
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> CacheServeError {
    move |cause| CacheServeError::System { what: what.into(), cause }
}

/// A device that is being served.
pub struct CacheDaemon {
    options: CacheOptions,
    desk: Desk,
    mailbox: Mailbox,
    book: DeviceBook,
    folder: SocketFolder,
    listeners: Listeners,
    thread: Mutex<Option<JoinHandle<Ended>>>,
    stop: AtomicBool,
}

type Ended = io::Result<Result<(), BlockError>>;

/// What the reactor's thread is given.
struct Served {
    options: CacheOptions,
    origin: Origin,
    devices: Vec<OpenDisk>,
    lock: LockFile,
    plan: LayerPlan,
    desk: Desk,
    mailbox: Mailbox,
    directory: Arc<Directory>,
}

enum Origin {
    File(OpenDisk),
    Nbd(NbdDisk),
}

impl Origin {
    fn blocks(&self) -> u64 {
        let facts = match self {
            Self::File(disk) => disk.facts,
            Self::Nbd(disk) => disk.facts(),
        };
        facts.size_bytes / BLOCK_BYTES as u64
    }
}

/// Starts to serve; the sockets are there when it returns.
///
/// # Errors
/// [`CacheServeError`].
pub fn start(options: CacheOptions) -> Result<Arc<CacheDaemon>, CacheServeError> {
    if !config::is_name(&options.name) {
        let rule = "1 to 63 lower-case letters, digits and dashes, not at an end";
        return Err(CacheServeError::Input(format!("{}: a name must be {rule}", options.name)));
    }
    let folder = SocketFolder::claim(&options.sockets).map_err(system("sockets"))?;
    let directory = Arc::new(Directory::default());
    let mailbox = Mailbox::new().map_err(system("mailbox"))?;
    let desk = Desk::new(mailbox.clone());
    let served = prepare(&options, &mailbox, &desk, &directory)?;
    let dirty = served.lock.lock().dirty;
    let thread = std::thread::Builder::new()
        .name("cache".to_owned())
        .spawn(move || served.run())
        .map_err(system("thread"))?;
    let thread = wait_served(&directory, &options.name, thread)?
        .map_err(|reason| CacheServeError::Refused(refusal(&reason, dirty)))?;
    let listeners = Listeners::start().map_err(system("listeners"))?;
    let known = (1..).map(DiskHandle).zip(&options.devices);
    let known = known.map(|(handle, path)| (path.display().to_string(), handle)).collect();
    let book = DeviceBook::new(mailbox.clone(), desk.clone(), known);
    let daemon = Arc::new(CacheDaemon {
        options,
        desk,
        mailbox,
        book,
        folder,
        listeners,
        thread: Mutex::new(Some(thread)),
        stop: AtomicBool::new(false),
    });
    daemon.open_sockets(&directory).map_err(system("sockets"))?;
    Ok(daemon)
}

fn refusal(reason: &str, dirty: bool) -> String {
    if dirty {
        format!(
            "{reason}. The device must not be used without its cache, which has writes that the \
             device lacks: bring the SSD back as it was"
        )
    } else {
        reason.to_owned()
    }
}

fn prepare(
    options: &CacheOptions,
    mailbox: &Mailbox,
    desk: &Desk,
    directory: &Arc<Directory>,
) -> Result<Served, CacheServeError> {
    let origin = open_origin(options, mailbox)?;
    let devices = options
        .devices
        .iter()
        .map(|path| open_path("cache", path.clone(), options.size_bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let path = options.locks.join(format!("{}.json", options.name));
    let found = LockFile::read(&path).map_err(system(format!("the lock {}", path.display())))?;
    let attach = found.is_none();
    let names: Vec<String> = options.devices.iter().map(|it| it.display().to_string()).collect();
    let blocks = devices.iter().map(|disk| disk.facts.size_bytes / BLOCK_BYTES as u64).min();
    let lock = if let Some(lock) = found {
        lock
    } else {
        if !options.overwrite {
            devices.iter().try_for_each(refuse_foreign)?;
        }
        let mut words = LockWords::new(options.origin.clone(), origin.blocks(), names.clone());
        words.cache_id = new_cache_id().map_err(system("random"))?;
        words.origin_id = new_origin_id().map_err(system("random"))?;
        words.blocks = blocks.unwrap_or_default();
        LockFile::new(&path, words)
    };
    let words = lock.words();
    if words.origin_blocks != origin.blocks() {
        return Err(CacheServeError::Refused(format!(
            "{} has {} bytes and had {} when its cache was attached; the lock is {}",
            options.origin,
            origin.blocks() * BLOCK_BYTES as u64,
            words.origin_blocks * BLOCK_BYTES as u64,
            path.display()
        )));
    }
    let unreadable = || {
        let message = format!("the lock {} has an id that is none", path.display());
        CacheServeError::Refused(message)
    };
    let plan = LayerPlan {
        origin: ORIGIN,
        origin_blocks: words.origin_blocks,
        origin_id: origin_id(&words.origin_id).ok_or_else(unreadable)?,
        cache_id: words.cache_id.parse().map_err(|_| unreadable())?,
        parts: (1..)
            .zip(&devices)
            .map(|(handle, _)| Part { disk: DiskHandle(handle), first_block: words.first_block })
            .collect(),
        devices: names.iter().cloned().map(Some).collect(),
        blocks: words.blocks,
        dirty_percent_max: options.dirty_percent_max,
        ordered: options.ordered,
        mode: options.mode,
        attach,
    };
    Ok(Served {
        options: options.clone(),
        origin,
        devices,
        lock,
        plan,
        desk: desk.clone(),
        mailbox: mailbox.clone(),
        directory: Arc::clone(directory),
    })
}

fn open_origin(options: &CacheOptions, mailbox: &Mailbox) -> Result<Origin, CacheServeError> {
    if !nbd_address::is_address(&options.origin) {
        let path = PathBuf::from(&options.origin);
        return Ok(Origin::File(open_path("origin", path, None)?));
    }
    let address = nbd_address::parse(&options.origin).map_err(CacheServeError::Input)?;
    let disk = NbdDisk::connect(&address, mailbox.clone());
    Ok(Origin::Nbd(disk.map_err(system(options.origin.clone()))?))
}

fn open_path(
    name: &str,
    path: PathBuf,
    size_bytes: Option<u64>,
) -> Result<OpenDisk, CacheServeError> {
    let name = name.to_owned();
    let plan = DiskPlan { name, path, size_bytes, domains: Vec::new(), media: None };
    open_disk(&plan).map_err(|error| CacheServeError::Refused(error.to_string()))
}

/// What is on a device that is to become a cache may be needed.
///
/// # Errors
/// There is something on it, or it cannot be read.
pub(super) fn refuse_foreign(disk: &OpenDisk) -> Result<(), CacheServeError> {
    const LOOKED_AT: usize = 256;
    let mut buffer = purlin_block_core::buffer::Buffer::zeroed(LOOKED_AT);
    let read = rustix::io::pread(&*disk.file, buffer.as_bytes_mut(), 0);
    read.map_err(|error| CacheServeError::System {
        what: "the cache's device".to_owned(),
        cause: error.into(),
    })?;
    if buffer.as_bytes().iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let message = "the cache's device has something on it and no lock knows it; --overwrite writes \
                   over it";
    Err(CacheServeError::Refused(message.to_owned()))
}

/// The thread if it serves, else why it ended.
fn wait_served(
    directory: &Directory,
    name: &str,
    thread: JoinHandle<Ended>,
) -> Result<Result<JoinHandle<Ended>, String>, CacheServeError> {
    let deadline = Instant::now() + START_TIMEOUT;
    while directory.mailbox(name).is_none() {
        if thread.is_finished() {
            return match thread.join() {
                Ok(Ok(Ok(()))) => Ok(Err("it ended".to_owned())),
                Ok(Ok(Err(error))) => Ok(Err(error.to_string())),
                Ok(Err(cause)) => Err(system("the kernel refused the port")(cause)),
                Err(_) => Err(CacheServeError::Refused("its thread panicked".to_owned())),
            };
        }
        if Instant::now() > deadline {
            let message = format!("it did not begin to serve within {START_TIMEOUT:?}");
            return Err(CacheServeError::Refused(message));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Ok(thread))
}

impl Served {
    fn run(self) -> Ended {
        let size_bytes = self.origin.blocks() * BLOCK_BYTES as u64;
        let volume = RawVolume { name: self.options.name.clone(), size_bytes };
        let layer = Layer::start(self.plan, self.lock).map_err(io::Error::other)?;
        let mut gates = Gates::new();
        let mut add = |handle: DiskHandle, disk: &OpenDisk| -> io::Result<()> {
            let weights = Weights::of(RecoverySpeed::Low);
            let seed = u64::from_ne_bytes(random()?);
            gates.insert(handle, DiskGate::new(handle, Arc::clone(&disk.file), weights, seed));
            Ok(())
        };
        let mut remote: BTreeMap<DiskHandle, Box<dyn Disk>> = BTreeMap::new();
        match self.origin {
            Origin::File(disk) => add(ORIGIN, &disk)?,
            Origin::Nbd(disk) => drop(remote.insert(ORIGIN, Box::new(disk))),
        }
        for (handle, disk) in (1..).zip(&self.devices) {
            add(DiskHandle(handle), disk)?;
        }
        let parts = Parts {
            layers: [(ORIGIN, layer)].into(),
            remote,
            desk: self.desk,
            ends_with_cache: true,
        };
        let engine = Cached::new(RawEngine::new(vec![volume]), parts);
        let watcher = Publisher { directory: self.directory, mailbox: self.mailbox.clone() };
        let port = port::open(self.options.port)?;
        Reactor::new(port, engine, gates, self.mailbox, Box::new(watcher)).run()
    }
}

struct Publisher {
    directory: Arc<Directory>,
    mailbox: Mailbox,
}

impl Watcher for Publisher {
    fn volumes(&self, volumes: &[VolumeStatus]) {
        self.directory.publish("cache", &self.mailbox, volumes);
    }
}

impl CacheDaemon {
    fn open_sockets(self: &Arc<Self>, directory: &Arc<Directory>) -> io::Result<()> {
        let control = self.folder.listen(CONTROL)?;
        // The daemon outlives its listeners, so they must not hold it.
        let daemon = Arc::downgrade(self);
        let duty = Duty::Other(Arc::new(move |client| {
            if let Some(daemon) = daemon.upgrade() {
                serve_callers(client, &|call| daemon.perform(call));
            }
        }));
        self.listeners.add(CONTROL, Arc::new(control), duty);
        let name = &self.options.name;
        let socket = self.folder.listen(name)?;
        let directory = Arc::clone(directory);
        let service = Service { directory, volume: Some(name.clone()), tls: None };
        self.listeners.add(name, Arc::new(socket), Duty::Volumes(service));
        Ok(())
    }

    fn perform(&self, call: Call) -> Result<Value, Failure> {
        let (pool, call, timeout) = match call {
            Call::Status => {
                return Ok(json!({
                    "program": env!("CARGO_PKG_VERSION"),
                    "process": std::process::id(),
                    "pools": [],
                    "cached": self.options.name,
                    "cache": of_answer(self.desk.ask(CacheCall::Status, SOON)?),
                }));
            }
            Call::Stop => {
                self.stop.store(true, Ordering::Release);
                return Ok(json!({}));
            }
            Call::CacheDeviceAdd { pool, words } if pool == self.options.name => {
                return self.book.add(words);
            }
            Call::CacheDeviceRemove { pool, device } if pool == self.options.name => {
                return self.book.remove(&device);
            }
            other => cache_call(other).map_err(|_| {
                Failure::new("PUR_INVALID", "this daemon serves a cached device and no pool")
            })?,
        };
        if pool != self.options.name {
            let message = format!("this daemon serves {} and not {pool}", self.options.name);
            return Err(Failure::new("PUR_CACHE_NONE", message));
        }
        let call = match call {
            CacheCall::RecordStart(_) => CacheCall::RecordStart(VolumeId(0)),
            call => call,
        };
        Ok(of_answer(self.desk.ask(call, timeout)?))
    }

    /// Whether it was asked to end, or has ended by itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.load(Ordering::Acquire) || thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Takes the sockets away, records everything on the SSDs and ends the reactor. What is dirty
    /// stays on the SSDs. Whether everything answered is durable.
    #[must_use]
    pub fn shut_down(&self) -> bool {
        for (name, _) in self.listeners.take_all() {
            self.folder.remove(&name);
        }
        let flushed = self.desk.ask(CacheCall::Flush, FLUSH_TIMEOUT).is_ok();
        self.mailbox.send(Mail::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has said so.
        let ended = thread.is_some_and(|thread| matches!(thread.join(), Ok(Ok(Ok(())))));
        flushed && ended
    }
}

/// A call of caches as the reactor knows it, with whom it concerns and how long it may take. A
/// recording names its volume elsewhere. What is no such call comes back.
pub(crate) fn cache_call(call: Call) -> Result<(String, CacheCall, Duration), Box<Call>> {
    Ok(match call {
        Call::CacheStatus { pool } => (pool, CacheCall::Status, SOON),
        Call::CacheMode { pool, mode } => (pool, CacheCall::Mode(mode.into()), DRAINED),
        Call::CacheFlush { pool } => (pool, CacheCall::Flush, DRAINED),
        Call::CacheAcceptLoss { pool } => (pool, CacheCall::AcceptLoss, SOON),
        Call::CacheDetach { pool } => (pool, CacheCall::Detach, DRAINED),
        Call::CacheAttach { pool } => (pool, CacheCall::Attach, SOON),
        Call::RecordStart { volume } => (volume, CacheCall::RecordStart(VolumeId(0)), SOON),
        Call::RecordTake { volume } => (volume, CacheCall::RecordTake, SOON),
        Call::RecordStop { volume } => (volume, CacheCall::RecordStop, SOON),
        other => return Err(Box::new(other)),
    })
}
