//! Which exports there are and which reactor serves each; written by reactors, read by greeters.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use purlin_block_core::control::VolumeStatus;

use crate::nbd::exports::{Export, Exports};
use crate::reactor::BLOCK_BYTES;
use crate::reactor::mailbox::Mailbox;

/// What a client does best: the default chunk of an erasure coded stripe.
const PREFERRED_BYTES: u32 = 64 << 10;

/// A volume or snapshot with its reactor.
#[derive(Clone)]
struct Entry {
    export: Export,
    /// The volume whose socket it is reached by.
    volume: String,
    pool: String,
    mailbox: Mailbox,
}

/// The exports of all pools, by their names.
#[derive(Default)]
pub struct Directory {
    entries: RwLock<BTreeMap<String, Entry>>,
}

impl Directory {
    /// Replaces what is known of a pool.
    pub fn publish(&self, pool: &str, mailbox: &Mailbox, volumes: &[VolumeStatus]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.pool != pool);
        for volume in volumes {
            let parent = volumes.iter().find(|other| Some(other.id) == volume.parent);
            let owner = parent.filter(|_| volume.snapshot).unwrap_or(volume);
            let snapshots = volumes
                .iter()
                .filter(|other| other.snapshot && other.parent == Some(owner.id))
                .map(|snapshot| snapshot.name.clone())
                .collect();
            let export = Export {
                volume: volume.name.clone(),
                size_bytes: volume.size_bytes,
                read_only: volume.snapshot,
                block_bytes: BLOCK_BYTES,
                preferred_bytes: PREFERRED_BYTES,
                snapshots,
            };
            let entry = Entry {
                export,
                volume: owner.name.clone(),
                pool: pool.to_owned(),
                mailbox: mailbox.clone(),
            };
            entries.insert(volume.name.clone(), entry);
        }
    }

    /// The names of the volumes, without snapshots.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        self.read(|entries| {
            entries.values().filter(|it| !it.export.read_only).map(|it| it.volume.clone()).collect()
        })
    }

    /// The way to who serves a volume or snapshot.
    #[must_use]
    pub fn mailbox(&self, name: &str) -> Option<Mailbox> {
        self.read(|entries| entries.get(name).map(|entry| entry.mailbox.clone()))
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<String, Entry>) -> T) -> T {
        look(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a listener offers: one volume as default export with its snapshots, or all volumes.
pub struct Offer {
    /// Where exports are looked up.
    pub directory: Arc<Directory>,
    /// The one volume; `None` offers all, without a default.
    pub volume: Option<String>,
}

impl Exports for Offer {
    fn find(&self, name: &str) -> Option<Export> {
        let name = match &self.volume {
            Some(volume) if name.is_empty() => volume,
            _ => name,
        };
        let offered = |entry: &&Entry| self.volume.as_ref().is_none_or(|of| *of == entry.volume);
        self.directory.read(|all| all.get(name).filter(offered).map(|entry| entry.export.clone()))
    }

    fn names(&self) -> Vec<String> {
        self.directory.read(|all| {
            let offered =
                |entry: &&Entry| self.volume.as_ref().is_none_or(|volume| *volume == entry.volume);
            all.values().filter(offered).map(|entry| entry.export.volume.clone()).collect()
        })
    }
}
