//! A server of raw files in this process, and a client that says what it is told to say.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod cached;
pub mod daemon;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use purlin_block_core::control::{RecoverySpeed, VolumeStatus};
use purlin_block_core::disk::DiskHandle;
use purlin_blockd::daemon::disks::open_disk;
use purlin_blockd::directory::Directory;
use purlin_blockd::disk_gate::DiskGate;
use purlin_blockd::plan::DiskPlan;
use purlin_blockd::port::{PortChoice, open};
use purlin_blockd::qos::weighted_queue::Weights;
use purlin_blockd::raw::{RawEngine, RawVolume};
use purlin_blockd::reactor::mailbox::{Mail, Mailbox};
use purlin_blockd::reactor::{Gates, Reactor, Watcher};
use purlin_blockd::server::greet::Service;
use purlin_blockd::server::listeners::{Duty, Listeners};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Both ports; every test of sockets and disks runs on each.
pub const PORTS: [PortChoice; 2] = [PortChoice::Best, PortChoice::Threads];

pub struct RawServer {
    pub folder: TempDir,
    pub mailbox: Mailbox,
    pub listeners: Listeners,
    pub directory: Arc<Directory>,
    thread: Option<JoinHandle<()>>,
}

struct Publisher {
    directory: Arc<Directory>,
    mailbox: Mailbox,
}

impl Watcher for Publisher {
    fn volumes(&self, volumes: &[VolumeStatus]) {
        self.directory.publish("raw", &self.mailbox, volumes);
    }
}

impl RawServer {
    /// Serves a volume `v` of so many bytes on `v.sock`.
    pub fn start(choice: PortChoice, size_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = DiskPlan {
            name: "disk".to_owned(),
            path: folder.path().join("disk.img"),
            size_bytes: Some(size_bytes),
            domains: Vec::new(),
            media: None,
        };
        let disk = open_disk(&plan).unwrap();
        let mailbox = Mailbox::new().unwrap();
        let directory = Arc::new(Directory::default());
        let publisher = Publisher { directory: directory.clone(), mailbox: mailbox.clone() };
        let own = mailbox.clone();
        let thread = std::thread::spawn(move || {
            let weights = Weights::of(RecoverySpeed::Low);
            let gate = DiskGate::new(DiskHandle(0), disk.file, weights, 1);
            let engine = RawEngine::new(vec![RawVolume { name: "v".to_owned(), size_bytes }]);
            let gates: Gates = [(DiskHandle(0), gate)].into();
            let port = open(choice).unwrap();
            Reactor::new(port, engine, gates, own, Box::new(publisher)).run().unwrap().unwrap();
        });
        wait_until("the volume is there", || directory.mailbox("v").is_some());
        let listeners = Listeners::start().unwrap();
        let server = Self { folder, mailbox, listeners, directory, thread: Some(thread) };
        server.listen("v.sock", Some("v"));
        server
    }

    pub fn listen(&self, file: &str, volume: Option<&str>) {
        let socket = UnixListener::bind(self.path(file)).unwrap();
        let service = Service {
            directory: self.directory.clone(),
            volume: volume.map(str::to_owned),
            tls: None,
        };
        self.listeners.add(file, Arc::new(socket.into()), Duty::Volumes(service));
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn uri(&self) -> String {
        format!("nbd+unix:///v?socket={}", self.path("v.sock").display())
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.path("v.sock"))
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.mailbox.send(Mail::Stop);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client of plain words.
pub struct Client {
    pub socket: UnixStream,
}

impl Client {
    pub fn connect(path: &Path) -> Self {
        let socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { socket };
        assert_eq!(client.take(18)[..8], *b"NBDMAGIC");
        client
    }

    /// Enters transmission for the default export.
    pub fn enter(mut self, structured: bool) -> Self {
        self.socket.write_all(&3u32.to_be_bytes()).unwrap();
        if structured {
            self.option(8, &[]);
            assert_eq!(self.reply().1, 1);
        }
        self.option(7, &[0, 0, 0, 0, 0, 0]);
        while self.reply().1 != 1 {}
        self
    }

    pub fn option(&mut self, option: u32, body: &[u8]) {
        self.socket.write_all(b"IHAVEOPT").unwrap();
        self.socket.write_all(&option.to_be_bytes()).unwrap();
        self.socket.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
        self.socket.write_all(body).unwrap();
    }

    /// The reply to an option: which, its type, its body.
    pub fn reply(&mut self) -> (u32, u32, Vec<u8>) {
        let head = self.take(20);
        assert_eq!(head[..8], 0x0003_e889_0455_65a9u64.to_be_bytes());
        let body = self.take(word(&head, 16) as usize);
        (word(&head, 8), word(&head, 12), body)
    }

    pub fn request(&mut self, kind: u16, flags: u16, cookie: u64, offset: u64, length: u32) {
        self.socket.write_all(&request(kind, flags, cookie, offset, length)).unwrap();
    }

    /// A simple reply: error and cookie.
    pub fn simple(&mut self) -> (u32, u64) {
        let head = self.take(16);
        assert_eq!(word(&head, 0), 0x6744_6698);
        (word(&head, 4), u64::from(word(&head, 8)) << 32 | u64::from(word(&head, 12)))
    }

    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut part = vec![0; bytes];
        self.socket.read_exact(&mut part).unwrap();
        part
    }

    /// Whether the server has closed the connection, after whatever else it says.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.socket.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

pub fn request(kind: u16, flags: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// `SplitMix64`: the same numbers from the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
