//! The life of the daemon: pools, volumes, sockets, and down again.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;

use super::access::Access;
use super::copies::Copies;
use super::copy::REQUEST_TIMEOUT;
use super::late_pools::{is_of, wait_for_first};
use super::pool_thread::{PoolState, PoolThread};
use super::sockets::{CONTROL, SocketFolder, TCP, VHOST, group_number};
use super::successor::{Inheritance, inherit};
use crate::config::{self, ConfigError};
use crate::control::serve_control;
use crate::directory::Directory;
use crate::plan::{ServePlan, VolumePlan};
use crate::port::PortChoice;
use crate::reactor::mailbox::{Mail, Travelling};
use crate::server::greet::Service;
use crate::server::listeners::{Duty, Listeners};
use crate::server::tls::{self, TlsFiles};
use crate::vhost::crew::Crew;

/// Opening walks a pool's map and log.
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(5);
/// Everything in the log goes home.
const CLOSE_TIMEOUT: Duration = Duration::from_mins(1);

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// The folder of sockets.
    pub sockets: PathBuf,
    /// Which port reactors use.
    pub port: PortChoice,
    /// How long a disk may be silent, where it shall be another time than the usual one.
    pub disk_timeout: Option<Duration>,
    /// A TCP listener with TLS.
    pub tcp: Option<TcpOptions>,
    /// Whether each volume is on `VOLUME.vhost.sock` as well, as a disk of machines.
    pub vhost: bool,
    /// The group whose members may use volumes' sockets; the process's own when left out.
    pub volume_group: Option<String>,
}

/// A TCP listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Where.
    pub address: SocketAddr,
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs clients' certificates.
    pub client_authority: Option<PathBuf>,
}

/// Why the daemon cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The file is bad.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A volume cannot be brought about.
    #[error("volume {name}: {cause}")]
    Volume {
        /// Which.
        name: String,
        /// Why.
        cause: purlin_block_core::BlockError,
    },
    /// No pool serves.
    #[error("no pool could be started")]
    NoPool,
    /// The system refused.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// What was said.
        cause: io::Error,
    },
}

impl From<io::Error> for ServeError {
    fn from(cause: io::Error) -> Self {
        Self::System { what: "the system refused".to_owned(), cause }
    }
}

/// How the program shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    None,
    /// The pools are closed first.
    Stop,
    /// Another process has everything.
    Depart,
}

/// The serving daemon, as control calls see it.
pub struct Daemon {
    /// How it was started.
    pub options: ServeOptions,
    /// Its exports.
    pub directory: Arc<Directory>,
    /// Its listeners.
    pub listeners: Listeners,
    /// The front ends of machines.
    pub crew: Arc<Crew>,
    /// Its pools.
    pub pools: Vec<PoolThread>,
    /// Copies from pool to pool that are under way.
    pub copies: Copies,
    folder: SocketFolder,
    tls: Option<Arc<ServerConfig>>,
    /// Changes of volumes and sockets are made one at a time.
    changing: Mutex<()>,
    end: AtomicU8,
}

/// Reads a configuration whole.
///
/// # Errors
/// Its problems.
pub fn read_plan(path: &Path) -> Result<ServePlan, ConfigError> {
    let config = config::read(path)?;
    config::plan(&config, path.parent().unwrap_or(Path::new(".")))
}

/// Starts pools and opens sockets; with an `heir`'s socket, takes over what the old daemon hands
/// over there. A pool that cannot be started does not keep others from being served, and neither
/// does one whose disks let it wait: its state says so, and its volumes are served when it has
/// opened.
///
/// # Errors
/// [`ServeError`].
pub fn start(options: ServeOptions, heir: Option<OwnedFd>) -> Result<Arc<Daemon>, ServeError> {
    let access = Access::new(options.port, options.disk_timeout);
    start_with(options, heir, &access)
}

/// As [`start`], with another way to the disks.
///
/// # Errors
/// [`ServeError`].
pub fn start_with(
    options: ServeOptions,
    heir: Option<OwnedFd>,
    access: &Access,
) -> Result<Arc<Daemon>, ServeError> {
    let plan = read_plan(&options.config)?;
    let tls = options.tcp.as_ref().map(load_tls).transpose().map_err(system("TLS"))?;
    let inheritance = heir.map(inherit).transpose().map_err(system("handover"))?;
    let (folder, inheritance) = match inheritance {
        None => (SocketFolder::claim(&options.sockets), None),
        Some(it) => {
            let lock = it.lock.try_clone().map_err(system("handover"))?;
            (Ok(SocketFolder::inherit(&options.sockets, lock)), Some(it))
        }
    };
    let group = options.volume_group.as_deref().map(group_number).transpose();
    let group = group.map_err(system("--volume-group"))?;
    let folder = folder.map_err(system("sockets"))?.with_group(group);
    let directory = Arc::new(Directory::default());
    let pools = start_pools(&plan, &directory, access)?;
    let listeners = Listeners::start().map_err(system("listeners"))?;
    let crew = Arc::new(Crew::new(Arc::clone(&directory)));
    let daemon = Arc::new(Daemon {
        options,
        directory,
        listeners,
        crew,
        pools,
        copies: Copies::default(),
        folder,
        tls,
        changing: Mutex::default(),
        end: AtomicU8::new(End::None as u8),
    });
    match inheritance {
        None => {
            wait_for_first(&daemon.pools);
            daemon.refuse_without_pools()?;
            let late = daemon.starting();
            daemon.bring_about(&plan, |volume| !is_of(volume, &late))?;
            daemon.open_sockets().map_err(system("sockets"))?;
            daemon.follow(&plan, late);
        }
        Some(inheritance) => daemon.take_over(&plan, inheritance)?,
    }
    Ok(daemon)
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> ServeError {
    move |cause| ServeError::System { what: what.to_owned(), cause }
}

fn start_pools(
    plan: &ServePlan,
    directory: &Arc<Directory>,
    access: &Access,
) -> Result<Vec<PoolThread>, ServeError> {
    plan.pools
        .iter()
        .map(|pool| PoolThread::start(pool.clone(), Arc::clone(directory), access.clone()))
        .collect::<io::Result<_>>()
        .map_err(|cause| ServeError::System { what: "pool threads".to_owned(), cause })
}

fn load_tls(options: &TcpOptions) -> io::Result<Arc<ServerConfig>> {
    tls::load(&TlsFiles {
        certificate: &options.certificate,
        key: &options.key,
        client_authority: options.client_authority.as_deref(),
    })
}

impl ServeOptions {
    /// The arguments that start a daemon of the same options.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["serve".into()];
        let mut add = |name: &str, value: &OsStr| {
            arguments.push(name.into());
            arguments.push(value.to_owned());
        };
        add("--config", self.config.as_os_str());
        add("--sockets", self.sockets.as_os_str());
        add("--port", self.port.name().as_ref());
        if let Some(timeout) = self.disk_timeout {
            add("--disk-timeout", timeout.as_secs().to_string().as_ref());
        }
        if let Some(group) = &self.volume_group {
            add("--volume-group", group.as_ref());
        }
        if self.vhost {
            arguments.push("--vhost".into());
        }
        let mut add = |name: &str, value: &OsStr| {
            arguments.push(name.into());
            arguments.push(value.to_owned());
        };
        if let Some(tcp) = &self.tcp {
            add("--tcp", tcp.address.to_string().as_ref());
            add("--tls-certificate", tcp.certificate.as_os_str());
            add("--tls-key", tcp.key.as_os_str());
            if let Some(authority) = &tcp.client_authority {
                add("--tls-client-authority", authority.as_os_str());
            }
        }
        arguments
    }
}

impl Daemon {
    pub(super) fn bring_about(
        self: &Arc<Self>,
        plan: &ServePlan,
        which: impl Fn(&VolumePlan) -> bool,
    ) -> Result<(), ServeError> {
        for volume in plan.volumes.iter().filter(|volume| which(volume)) {
            let pool = self.pools.iter().find(|pool| pool.plan.name == volume.pool);
            if pool.is_none_or(|pool| pool.state() != PoolState::Running) {
                continue;
            }
            self.ensure(volume)
                .map_err(|cause| ServeError::Volume { name: volume.name.clone(), cause })?;
        }
        Ok(())
    }

    /// What can fail comes first: until a client is taken, the old daemon can take everything up
    /// again. What comes after is told of, and ends nothing: the old daemon may be gone by then.
    /// Copies from other pools take their time, and are made while clients are served.
    fn take_over(
        self: &Arc<Self>,
        plan: &ServePlan,
        mut inheritance: Inheritance,
    ) -> Result<(), ServeError> {
        for pool in &self.pools {
            pool.wait_started(START_TIMEOUT);
        }
        self.refuse_without_pools()?;
        self.bring_about(plan, |volume| !volume.is_copied())?;
        self.adopt(std::mem::take(&mut inheritance.clients));
        self.crew.adopt(std::mem::take(&mut inheritance.devices));
        let mut troubles: Vec<String> = Vec::new();
        for (name, socket) in std::mem::take(&mut inheritance.listening) {
            self.listen_on(&name, socket);
            if name != TCP {
                let written = self.folder.write_process_id(&name);
                troubles.extend(written.err().map(|error| format!("{name}: {error}")));
            }
        }
        inheritance.acknowledge().map_err(system("handover"))?;
        let copied = self.bring_about(plan, VolumePlan::is_copied);
        troubles.extend(copied.err().map(|error| error.to_string()));
        troubles.extend(self.match_sockets().err().map(|error| format!("sockets: {error}")));
        for trouble in troubles {
            eprintln!("purlin-blockd: after the upgrade: {trouble}");
        }
        Ok(())
    }

    /// Gives clients to the reactors of their volumes; one whose volume is gone is closed.
    pub fn adopt(&self, clients: Vec<Travelling>) {
        for client in clients {
            if let Some(mailbox) = self.directory.mailbox(&client.session.export.volume) {
                mailbox.send(Mail::Adopt(client));
            }
        }
    }

    /// Accepts on a socket that was open before.
    pub fn listen_on(self: &Arc<Self>, name: &str, socket: Arc<OwnedFd>) {
        let duty = match name {
            CONTROL => self.control_duty(),
            TCP => Duty::Volumes(self.service(None)),
            volume => self.volume_duty(volume),
        };
        self.listeners.add(name, socket, duty);
    }

    /// The volumes' sockets come last: who sees one can call the daemon as well.
    fn open_sockets(self: &Arc<Self>) -> io::Result<()> {
        if let Some(tcp) = &self.options.tcp {
            let socket = TcpListener::bind(tcp.address)?;
            self.listen_on(TCP, Arc::new(socket.into()));
        }
        let control = self.folder.listen(CONTROL)?;
        self.listen_on(CONTROL, Arc::new(control));
        self.match_sockets()
    }

    fn control_duty(self: &Arc<Self>) -> Duty {
        // The daemon outlives its listeners, so they must not hold it.
        let daemon = Arc::downgrade(self);
        Duty::Other(Arc::new(move |client| {
            if let Some(daemon) = daemon.upgrade() {
                serve_control(&daemon, client);
            }
        }))
    }

    /// What is done on the socket of a volume, which may be the one for machines.
    fn volume_duty(&self, name: &str) -> Duty {
        let Some(volume) = name.strip_suffix(VHOST) else {
            return Duty::Volumes(self.service(Some(name.to_owned())));
        };
        let (crew, volume) = (Arc::clone(&self.crew), volume.to_owned());
        Duty::Other(Arc::new(move |client| crew.serve(client, &volume)))
    }

    fn service(&self, volume: Option<String>) -> Service {
        let tls = if volume.is_none() { self.tls.clone() } else { None };
        Service { directory: Arc::clone(&self.directory), volume, tls }
    }

    /// Opens a socket for every volume that has none, and takes away those of volumes that are
    /// gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn match_sockets(&self) -> io::Result<()> {
        let mut volumes = self.directory.volumes();
        volumes.retain(|name| config::is_name(name));
        if self.options.vhost {
            let machines: Vec<String> = volumes.iter().map(|it| format!("{it}{VHOST}")).collect();
            volumes.extend(machines);
        }
        let open = self.listeners.names();
        for name in volumes.iter().filter(|name| !open.contains(name)) {
            let socket = Arc::new(self.folder.listen(name)?);
            self.listeners.add(name, socket, self.volume_duty(name));
        }
        let kept = |name: &String| name == CONTROL || name == TCP || volumes.contains(name);
        for name in open.iter().filter(|name| !kept(name)) {
            self.listeners.remove(name);
            self.folder.remove(name);
        }
        Ok(())
    }

    /// Held while volumes and sockets are changed.
    pub fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock of the folder of sockets.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.folder.lock()
    }

    /// Asks the program to close the pools and end.
    pub fn stop(&self) {
        self.end.store(End::Stop as u8, Ordering::Release);
    }

    /// Asks the program to end; another process serves.
    pub fn depart(&self) {
        self.end.store(End::Depart as u8, Ordering::Release);
    }

    /// How the program shall end, if it shall.
    #[must_use]
    pub fn end(&self) -> End {
        match self.end.load(Ordering::Acquire) {
            end if end == End::Stop as u8 => End::Stop,
            end if end == End::Depart as u8 => End::Depart,
            _ => End::None,
        }
    }

    /// Takes the sockets away and closes the pools. Gives the pools that could not be closed; what
    /// they had answered is in their logs.
    #[must_use]
    pub fn shut_down(&self) -> Vec<String> {
        let _changing = self.change();
        // What is copied by then is begun again by the next process.
        self.copies.stop_all(REQUEST_TIMEOUT);
        for (name, _) in self.listeners.take_all() {
            self.folder.remove(&name);
        }
        let mut unclosed = Vec::new();
        for pool in &self.pools {
            if pool.state() == PoolState::Running && pool.close(CLOSE_TIMEOUT).is_err() {
                unclosed.push(pool.plan.name.clone());
            }
        }
        unclosed
    }
}
