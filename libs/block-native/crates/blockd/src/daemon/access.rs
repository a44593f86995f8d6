//! How pools reach their disks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::disk_gate::PATIENCE;
use crate::port::{self, Port, PortChoice};

/// Opens a port for the calling thread.
type Opener = Arc<dyn Fn() -> io::Result<Box<dyn Port>> + Send + Sync>;

/// How the pools of a daemon reach their disks; cheap to clone.
#[derive(Clone)]
pub struct Access {
    /// What opens a pool's port, in the pool's thread.
    pub open_port: Opener,
    /// How long a disk may be silent.
    pub patience: Duration,
}

impl Access {
    /// By the kernel, as chosen; `patience` is that of the gates unless given.
    #[must_use]
    pub fn new(choice: PortChoice, patience: Option<Duration>) -> Self {
        let open_port = Arc::new(move || port::open(choice));
        Self { open_port, patience: patience.unwrap_or(PATIENCE) }
    }
}
