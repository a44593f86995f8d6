//! A pool in its thread, from its disks to its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use purlin_block_core::control::{
    ControlAnswer, ControlOp, DiskSpec, OpenOptions, PoolId, PoolSpec, PoolStatus, VolumeStatus,
};
use purlin_block_core::disk::DiskHandle;
use purlin_block_core::placement::Level;
use purlin_block_core::{BlockError, Pool};
use rustix::rand::{GetRandomFlags, getrandom};

use super::access::Access;
use super::disks::{DiskOpenError, OpenDisk, look_at, open_disk};
use super::volumes::is_part_of_copy;
use crate::cache;
use crate::cache::cached::{Cached, Parts};
use crate::cache::desk::Desk;
use crate::cache::devices::DeviceBook;
use crate::cache::pool::Devices;
use crate::directory::Directory;
use crate::disk_gate::DiskGate;
use crate::plan::{DiskPlan, PoolPlan};
use crate::qos::weighted_queue::Weights;
use crate::reactor::mailbox::{Mail, Mailbox};
use crate::reactor::{Gates, Reactor, Watcher, answering_told};

/// For calls that answer when something is durable.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// For a reactor to tell which disks it has.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a pool is in its life, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolState {
    /// Its disks are opened and its log is read.
    Starting,
    /// It serves.
    Running,
    /// It does not serve.
    Failed {
        /// A stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// It was closed.
    Closed,
}

/// Disks as the configuration names them, at their handles.
type Disks = Arc<Mutex<Vec<Option<DiskPlan>>>>;

/// A pool's thread as the rest of the daemon holds it.
pub struct PoolThread {
    /// What it was started with.
    pub plan: PoolPlan,
    /// Its disks as they are now; a disk's handle is its place.
    disks: Disks,
    /// What may fail as one, as it is now.
    level: Mutex<Level>,
    /// The way in.
    pub mailbox: Mailbox,
    /// The way to its caches.
    pub desk: Desk,
    /// The SSDs of its caches.
    pub book: DeviceBook,
    directory: Arc<Directory>,
    access: Access,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<PoolState>,
    changed: Condvar,
}

impl Shared {
    fn set(&self, state: PoolState) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolThread {
    /// Starts a pool.
    ///
    /// # Errors
    /// No thread or mailbox can be had; all else shows in its state.
    pub fn start(plan: PoolPlan, directory: Arc<Directory>, access: Access) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(PoolState::Starting), changed: Condvar::new() });
        let mailbox = Mailbox::new()?;
        let desk = Desk::new(mailbox.clone());
        let thread = Mutex::new(None);
        let book = DeviceBook::new(mailbox.clone(), desk.clone(), Devices::handles(&plan));
        let disks = Arc::new(Mutex::new(plan.disks.iter().cloned().map(Some).collect()));
        let level = Mutex::new(plan.level);
        let pool =
            Self { plan, disks, level, mailbox, desk, book, directory, access, shared, thread };
        pool.restart()?;
        Ok(pool)
    }

    /// Starts a pool that was halted or closed again.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn restart(&self) -> io::Result<()> {
        let disks = {
            let mut disks = self.disks();
            disks.retain(Option::is_some);
            disks.iter().flatten().cloned().collect()
        };
        let run = PoolRun {
            plan: PoolPlan { disks, level: *self.level(), ..self.plan.clone() },
            disks: Arc::clone(&self.disks),
            mailbox: self.mailbox.clone(),
            desk: self.desk.clone(),
            directory: Arc::clone(&self.directory),
            access: self.access.clone(),
            shared: Arc::clone(&self.shared),
        };
        self.mailbox.forget_all();
        self.shared.set(PoolState::Starting);
        let thread = std::thread::Builder::new()
            .name(format!("pool-{}", self.plan.name))
            .spawn(move || run.run())?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Lets operations of disks that are under way end, and no others begin, and lets the disks go:
    /// on them is what a kill would leave. Whether it was done within `timeout`.
    #[must_use]
    pub fn halt(&self, timeout: Duration) -> bool {
        self.mailbox.send(Mail::Stop);
        let deadline = Instant::now() + timeout;
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A thread that panicked has said so.
        let _ = thread.take().map(JoinHandle::join);
        true
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.shared.lock().clone()
    }

    /// Waits until the pool serves or has failed, at most `timeout`.
    pub fn wait_started(&self, timeout: Duration) -> PoolState {
        let starting = |state: &mut PoolState| *state == PoolState::Starting;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), timeout, starting);
        drop(waited);
        self.state()
    }

    /// How the pool is.
    ///
    /// # Errors
    /// The engine's.
    pub fn status(&self) -> Result<PoolStatus, BlockError> {
        match self.call(ControlOp::Status)? {
            ControlAnswer::Status(status) => Ok(*status),
            _ => Err(BlockError::Invalid { reason: "no status was answered".to_owned() }),
        }
    }

    fn disks(&self) -> MutexGuard<'_, Vec<Option<DiskPlan>>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the configuration file calls a disk.
    #[must_use]
    pub fn disk_name(&self, handle: DiskHandle) -> Option<String> {
        name_of(&self.disks(), handle)
    }

    /// Takes over where the disks stand and what may fail as one out of a plan read anew; answered
    /// when it is in force, while what has to move goes on behind it.
    ///
    /// # Errors
    /// These disks cannot hold whole stripes so: nothing has changed.
    pub fn stand(&self, plan: &PoolPlan) -> Result<ControlAnswer, BlockError> {
        // Not held while the pool works: who asks for its status wants the names.
        let mut stand = self.disks().clone();
        let mut domains = Vec::new();
        for (handle, disk) in (0..).map(DiskHandle).zip(&mut stand) {
            let Some(disk) = disk else { continue };
            if let Some(found) = plan.disks.iter().find(|it| it.name == disk.name) {
                disk.domains.clone_from(&found.domains);
                domains.push((handle, found.domains.clone()));
            }
        }
        let answer = self.call(ControlOp::SetTopology { level: plan.level, domains })?;
        for (disk, stands) in self.disks().iter_mut().zip(stand) {
            if let (Some(disk), Some(stands)) = (disk, stands) {
                disk.domains = stands.domains;
            }
        }
        *self.level() = plan.level;
        Ok(answer)
    }

    /// Opens a disk and gives it to the reactor; one that is open already is looked at.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn attach(&self, plan: &DiskPlan) -> Result<DiskSpec, DiskOpenError> {
        let mut disks = self.disks();
        let known = disks.iter().position(|it| it.as_ref().is_some_and(|it| it.name == plan.name));
        let place = known.unwrap_or(disks.len());
        let handle = DiskHandle(u32::try_from(place).unwrap_or(u32::MAX));
        let report = self.mailbox.ask(ATTACH_TIMEOUT, Mail::Report);
        let open = report.is_some_and(|it| it.moved_bytes.iter().any(|(at, _)| *at == handle.0));
        let facts = if open {
            look_at(plan)?
        } else {
            let disk = open_disk(plan)?;
            let weights = Weights::of(self.plan.recovery);
            let seed = u64::from_ne_bytes(random().unwrap_or_default());
            let gate = DiskGate::new(handle, Arc::clone(&disk.file), weights, seed)
                .with_patience(self.access.patience);
            self.mailbox.send(Mail::Attach(handle, Box::new(gate)));
            disk.facts
        };
        match known {
            Some(place) => disks[place] = Some(plan.clone()),
            None => disks.push(Some(plan.clone())),
        }
        let (name, domains) = (plan.name.clone(), plan.domains.clone());
        Ok(DiskSpec { handle, name, facts, domains })
    }

    /// Lets go of a disk that the pool does not use.
    pub fn detach(&self, handle: DiskHandle) {
        self.mailbox.send(Mail::Detach(handle));
        if let Some(disk) = self.disks().get_mut(handle.0 as usize) {
            *disk = None;
        }
    }

    /// Begins a call that nobody waits for.
    ///
    /// # Errors
    /// `Closed` when it does not serve.
    pub fn begin(&self, op: ControlOp) -> Result<(), BlockError> {
        if self.state() != PoolState::Running {
            return self.call_within(op, CALL_TIMEOUT).map(drop);
        }
        let pool = self.plan.name.clone();
        let (sender, receiver) = channel();
        self.mailbox.send(Mail::Control(op, sender));
        let tell = move || {
            if let Ok(Err(error)) = receiver.recv() {
                eprintln!("purlin-blockd: pool {pool}: {error}");
            }
        };
        // Without a thread nobody tells; the call is done all the same.
        let _ = std::thread::Builder::new().name("call".to_owned()).spawn(tell);
        Ok(())
    }

    /// Passes a call to the engine.
    ///
    /// # Errors
    /// The engine's, or `Closed` when it does not serve.
    pub fn call(&self, op: ControlOp) -> Result<ControlAnswer, BlockError> {
        self.call_within(op, CALL_TIMEOUT)
    }

    /// As [`Self::call`], for what takes longer.
    ///
    /// # Errors
    /// As there.
    pub fn call_within(
        &self,
        op: ControlOp,
        timeout: Duration,
    ) -> Result<ControlAnswer, BlockError> {
        match self.state() {
            PoolState::Running => self.mailbox.call(op, timeout),
            PoolState::Failed { message, .. } => Err(BlockError::Closed { reason: message }),
            PoolState::Starting => Err(BlockError::Closed { reason: "it is starting".to_owned() }),
            PoolState::Closed => Err(BlockError::Closed { reason: "it was closed".to_owned() }),
        }
    }

    /// Closes the pool: its log goes home, its disks are free afterwards. A pool that does not
    /// answer within `timeout` is left behind; what it had answered is in its log.
    ///
    /// # Errors
    /// The engine's, or `Closed` when it did not answer.
    pub fn close(&self, timeout: Duration) -> Result<(), BlockError> {
        let closed = self.call_within(ControlOp::Close, timeout).map(drop);
        let _ = closed.is_ok() && self.halt(timeout);
        closed
    }
}

fn name_of(disks: &[Option<DiskPlan>], handle: DiskHandle) -> Option<String> {
    disks.get(handle.0 as usize)?.as_ref().map(|disk| disk.name.clone())
}

struct PoolRun {
    plan: PoolPlan,
    disks: Disks,
    mailbox: Mailbox,
    desk: Desk,
    directory: Arc<Directory>,
    access: Access,
    shared: Arc<Shared>,
}

/// Failures before there is an engine.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Disk(#[from] super::disks::DiskOpenError),
    #[error("the kernel refused the pool's port: {0}")]
    Port(#[from] io::Error),
    #[error(transparent)]
    Engine(#[from] BlockError),
}

impl PoolRun {
    fn run(self) {
        let ended = self.serve();
        self.directory.publish(&self.plan.name, &self.mailbox, &[]);
        self.shared.set(match ended {
            Ok(()) => PoolState::Closed,
            Err(error) => {
                let code = match &error {
                    StartError::Engine(error) => error.code(),
                    StartError::Disk(_) => "PUR_BLOCK_DISK",
                    StartError::Port(_) => "PUR_BLOCK_PORT",
                };
                eprintln!("purlin-blockd: pool {}: {error}", self.plan.name);
                PoolState::Failed { code: code.to_owned(), message: error.to_string() }
            }
        });
    }

    fn serve(&self) -> Result<(), StartError> {
        let (disks, away) = self.open_disks()?;
        let devices = Devices::open(&self.plan);
        let all_fresh = disks.iter().flatten().all(|disk| disk.fresh);
        if !all_fresh {
            let known = |disk: &OpenDisk| !disk.fresh;
            let pool = Pool::open(self.specs(&disks, known), options(self.plan.level)?);
            match self.react(pool, &disks, &devices)? {
                Err(BlockError::NoSuperblock) => {}
                ended => return Ok(ended?),
            }
        }
        // A pool that lacks disks is opened on the others, but never made.
        if let Some(error) = away {
            return Err(error.into());
        }
        let spec = PoolSpec {
            id: PoolId(random()?),
            policy: self.plan.policy,
            level: self.plan.level,
            log_bytes: None,
            shard_bytes: None,
            force: false,
        };
        let pool = Pool::create(spec, self.specs(&disks, |_| true), options(self.plan.level)?);
        Ok(self.react(pool, &disks, &devices)??)
    }

    /// The disks that are there, in the order of the plan, and why the first of the others is not.
    fn open_disks(&self) -> Result<(Vec<Option<OpenDisk>>, Option<DiskOpenError>), DiskOpenError> {
        let mut disks = Vec::new();
        let mut away = None;
        for plan in &self.plan.disks {
            match open_disk(plan) {
                Ok(disk) => disks.push(Some(disk)),
                // Another process may be serving this very pool.
                Err(error @ DiskOpenError::InUse { .. }) => return Err(error),
                Err(error) => {
                    eprintln!("purlin-blockd: pool {}: {error}", self.plan.name);
                    away.get_or_insert(error);
                    disks.push(None);
                }
            }
        }
        Ok((disks, away))
    }

    fn react(
        &self,
        pool: Pool,
        disks: &[Option<OpenDisk>],
        devices: &Devices,
    ) -> io::Result<Result<(), BlockError>> {
        let weights = Weights::of(self.plan.recovery);
        let mut gates = Gates::new();
        let files = (0..).map(DiskHandle).zip(disks);
        let files = files.filter_map(|(handle, disk)| Some((handle, &disk.as_ref()?.file)));
        for (handle, file) in files.chain(devices.files()) {
            let seed = u64::from_ne_bytes(random()?);
            let gate = DiskGate::new(handle, Arc::clone(file), weights, seed);
            gates.insert(handle, gate.with_patience(self.access.patience));
        }
        let parts = Parts {
            layers: cache::pool::layers(&self.plan, disks, devices)?,
            remote: BTreeMap::new(),
            desk: self.desk.clone(),
            ends_with_cache: false,
        };
        let watcher = PoolWatcher {
            pool: self.plan.name.clone(),
            disks: Arc::clone(&self.disks),
            mailbox: self.mailbox.clone(),
            directory: Arc::clone(&self.directory),
            shared: Arc::clone(&self.shared),
        };
        let port = (self.access.open_port)()?;
        let pool = Cached::new(pool, parts);
        Reactor::new(port, pool, gates, self.mailbox.clone(), Box::new(watcher)).run()
    }

    fn specs(
        &self,
        disks: &[Option<OpenDisk>],
        which: impl Fn(&OpenDisk) -> bool,
    ) -> Vec<DiskSpec> {
        (0..)
            .zip(self.plan.disks.iter().zip(disks))
            .filter_map(|(number, (plan, disk))| Some((number, (plan, disk.as_ref()?))))
            .filter(|(_, (_, disk))| which(disk))
            .map(|(number, (plan, disk))| DiskSpec {
                handle: DiskHandle(number),
                name: plan.name.clone(),
                facts: disk.facts,
                domains: plan.domains.clone(),
            })
            .collect()
    }
}

fn options(level: Level) -> io::Result<OpenOptions> {
    let options = OpenOptions::new(u64::from_ne_bytes(random()?));
    Ok(OpenOptions { level: Some(level), ..options })
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    // So few bytes are never given in part (getrandom(2)).
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(bytes)
}

struct PoolWatcher {
    pool: String,
    disks: Disks,
    mailbox: Mailbox,
    directory: Arc<Directory>,
    shared: Arc<Shared>,
}

impl Watcher for PoolWatcher {
    fn volumes(&self, volumes: &[VolumeStatus]) {
        let whole = volumes.iter().filter(|volume| !is_part_of_copy(volume, volumes));
        let whole: Vec<VolumeStatus> = whole.cloned().collect();
        self.directory.publish(&self.pool, &self.mailbox, &whole);
        let mut state = self.shared.lock();
        if *state == PoolState::Starting {
            *state = PoolState::Running;
            self.shared.changed.notify_all();
        }
    }

    fn disk_answers(&self, disk: DiskHandle, answers: bool) {
        // Who holds the disks may wait for this thread.
        let disks = self.disks.try_lock();
        let name = disks.ok().and_then(|disks| name_of(&disks, disk));
        let disk = name.map_or_else(|| format!("disk {}", disk.0), |name| format!("disk {name}"));
        eprintln!("purlin-blockd: pool {}: {}", self.pool, answering_told(&disk, answers));
    }
}
