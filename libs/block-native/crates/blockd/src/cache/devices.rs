//! SSDs come and go while their caches serve.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::control::RecoverySpeed;
use purlin_block_core::disk::DiskHandle;
use serde_json::{Value, json};

use super::calls::{CacheCall, DRAINED};
use super::desk::Desk;
use super::identity::random;
use super::serve::refuse_foreign;
use crate::control::protocol::{Failure, NewDevice};
use crate::daemon::disks::open_disk;
use crate::disk_gate::DiskGate;
use crate::plan::DiskPlan;
use crate::qos::weighted_queue::Weights;
use crate::reactor::mailbox::{Mail, Mailbox};

const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Handles of SSDs that came later, whatever they serve.
static NEXT: AtomicU32 = AtomicU32::new(1 << 17);

/// An SSD that is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The reactor's handle of it.
    pub handle: DiskHandle,
    /// Its path.
    pub name: String,
    /// Its size.
    pub blocks: u64,
}

/// The SSDs of a reactor by their paths.
pub struct DeviceBook {
    mailbox: Mailbox,
    desk: Desk,
    known: Mutex<Vec<(String, DiskHandle)>>,
}

impl DeviceBook {
    /// A book of the SSDs that the reactor began with.
    #[must_use]
    pub fn new(mailbox: Mailbox, desk: Desk, known: Vec<(String, DiskHandle)>) -> Self {
        Self { mailbox, desk, known: Mutex::new(known) }
    }

    /// Gives the reactor an SSD, and lets the caches fill it; answered when it has everything. One
    /// that they have is no error.
    ///
    /// # Errors
    /// It cannot be used, or a cache did not get it filled; then none uses it.
    pub fn add(&self, words: NewDevice) -> Result<Value, Failure> {
        let name = words.device.display().to_string();
        if self.known().iter().any(|(known, _)| *known == name) {
            return Ok(json!({}));
        }
        let plan = DiskPlan {
            name: name.clone(),
            path: words.device,
            size_bytes: words.size_bytes,
            domains: Vec::new(),
            media: None,
        };
        let disk = open_disk(&plan).map_err(refused)?;
        if !words.overwrite {
            refuse_foreign(&disk).map_err(refused)?;
        }
        let handle = DiskHandle(NEXT.fetch_add(1, Ordering::Relaxed));
        let seed = u64::from_ne_bytes(random().unwrap_or_default());
        let weights = Weights::of(RecoverySpeed::Low);
        let gate = DiskGate::new(handle, Arc::clone(&disk.file), weights, seed);
        self.mailbox.send(Mail::Attach(handle, Box::new(gate)));
        // The caches hear of it by another way, which is often the shorter one: a mail that is
        // answered after this one says that it was read.
        if self.mailbox.ask(ATTACH_TIMEOUT, Mail::Report).is_none() {
            self.mailbox.send(Mail::Detach(handle));
            let seconds = ATTACH_TIMEOUT.as_secs();
            return Err(refused(format!("{name}: the daemon did not take it within {seconds} s")));
        }
        let blocks = disk.facts.size_bytes / BLOCK_BYTES as u64;
        let device = Arc::new(Device { handle, name: name.clone(), blocks });
        if let Err(error) = self.desk.ask(CacheCall::Adopt(device), DRAINED) {
            // Those that have filled it let go of it again; the others know nothing of it.
            let _ = self.desk.ask(CacheCall::Dismiss(name.into()), DRAINED);
            self.mailbox.send(Mail::Detach(handle));
            return Err(error.into());
        }
        self.known().push((name, handle));
        Ok(json!({}))
    }

    /// Takes an SSD from the caches while another has everything, and closes it. One that they do
    /// not have is no error.
    ///
    /// # Errors
    /// A cache has no other.
    pub fn remove(&self, path: &str) -> Result<Value, Failure> {
        if !self.known().iter().any(|(known, _)| known == path) {
            return Ok(json!({}));
        }
        self.desk.ask(CacheCall::Dismiss(path.into()), DRAINED)?;
        let mut known = self.known();
        if let Some(at) = known.iter().position(|(name, _)| name == path) {
            self.mailbox.send(Mail::Detach(known.remove(at).1));
        }
        Ok(json!({}))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<(String, DiskHandle)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::new("PUR_CACHE_REFUSED", error.to_string())
}
