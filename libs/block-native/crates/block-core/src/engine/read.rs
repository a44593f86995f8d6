//! Reading a volume.

use std::rc::Rc;

use super::catalogue::Resolved;
use super::core::Core;
use super::entry::Entry;
use super::layers::{LogBlock, Source};
use super::read_stripe::Found;
use super::tasks;
use crate::buffer::Slice;
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::request::VolumeId;

/// How often a read is resolved anew: what it looked up may have been overwritten in place.
const TRIES_MAX: usize = 4;

/// Blocks that are read alike.
enum Piece {
    Zero(usize),
    Log(Vec<LogBlock>),
    Stripe { entry: Rc<Entry>, stripe: u64, first: usize, count: usize },
}

impl Core {
    /// Blocks `first..first + count` of `head`.
    ///
    /// # Errors
    /// [`BlockError::Lost`] and [`BlockError::Damaged`].
    pub async fn read_blocks(
        self: &Rc<Self>,
        head: u64,
        first: u64,
        count: usize,
        class: IoClass,
    ) -> Result<Vec<Slice>, BlockError> {
        let _guard = self.guard();
        let mut tries = 0;
        loop {
            let mut pieces = self.resolve_pieces(head, first, count, class).await?;
            let results = if pieces.len() == 1 {
                let piece = pieces.remove(0);
                vec![self.read_piece(head, piece, class).await]
            } else {
                let reads = pieces.into_iter().map(|piece| {
                    let core = Rc::clone(self);
                    async move { core.read_piece(head, piece, class).await }
                });
                tasks::all(reads.collect()).await
            };
            tries += 1;
            let result: Result<Vec<_>, BlockError> = results.into_iter().collect();
            match result {
                Ok(slices) => return Ok(slices.into_iter().flatten().collect()),
                Err(error) if tries == TRIES_MAX => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn resolve_pieces(
        self: &Rc<Self>,
        head: u64,
        first: u64,
        count: usize,
        class: IoClass,
    ) -> Result<Vec<Piece>, BlockError> {
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let mut pieces = Vec::new();
        let end = first + count as u64;
        let mut block = first;
        while block < end {
            let stripe = block / stripe_blocks;
            let within = usize::try_from(block % stripe_blocks).unwrap_or_default();
            let part = (stripe_blocks - block % stripe_blocks).min(end - block);
            // All blocks of a stripe are resolved at one moment, and then the map is read, which
            // may wait for a disk. Meanwhile a cycle may take the stripe home: what was a layer's
            // is the tree's then, and the entry that was being read does not have it.
            let resolved = self.resolve_run(head, stripe, within, part)?;
            let root = resolved.iter().find_map(|resolved| match resolved {
                Resolved::Map(root) => Some(*root),
                Resolved::Here(_) => None,
            });
            let entry = match root {
                Some(root) => self.look_up(root, stripe, class).await?.entry,
                None => None,
            };
            for (within, resolved) in (within..).zip(resolved) {
                let source = match resolved {
                    Resolved::Here(source) => source,
                    Resolved::Map(_) => entry.clone().map_or(Source::Zero, Source::Stripe),
                };
                push_source(&mut pieces, source, stripe, within);
            }
            block += part;
        }
        Ok(pieces)
    }

    /// What `count` blocks of a stripe from `within` on are read from. All that are in the map are
    /// in the same tree.
    fn resolve_run(
        &self,
        head: u64,
        stripe: u64,
        within: usize,
        count: u64,
    ) -> Result<Vec<Resolved>, BlockError> {
        let catalogue = self.catalogue.borrow();
        let each = (within..).zip(0..count);
        each.map(|(within, _)| catalogue.resolve(head, stripe, within))
            .collect::<Option<_>>()
            .ok_or(BlockError::NoVolume { volume: VolumeId(head) })
    }

    async fn read_piece(
        self: &Rc<Self>,
        head: u64,
        piece: Piece,
        class: IoClass,
    ) -> Result<Vec<Slice>, BlockError> {
        match piece {
            Piece::Zero(count) => Ok(vec![Slice::zero_block(); count]),
            Piece::Log(blocks) => {
                self.read_log(&blocks, class).await.map(|buffer| vec![buffer.share()])
            }
            Piece::Stripe { entry, stripe, first, count } => {
                let mut found = Found::default();
                let result = self.read_stripe(&entry, first, count, class, &mut found).await;
                if found.bad {
                    self.want_repair(head, stripe);
                }
                let offset = stripe * self.geometry.get().stripe_blocks as u64 * 4096;
                result.map_err(|short| BlockError::Lost {
                    volume: VolumeId(self.catalogue.borrow().volume_of(head).unwrap_or(0)),
                    offset,
                    found: short.found,
                    needed: short.needed,
                })
            }
        }
    }

    /// Has a stripe looked at by the next cycle, which rewrites what is bad.
    pub fn want_repair(&self, head: u64, stripe: u64) {
        let mut repairs = self.wanted.repairs.borrow_mut();
        if !repairs.contains(&(head, stripe)) && repairs.len() < 1024 {
            repairs.push((head, stripe));
        }
        drop(repairs);
        self.want_cycle();
    }
}

fn push_source(pieces: &mut Vec<Piece>, source: Source, stripe: u64, within: usize) {
    match source {
        Source::Stripe(entry) if entry.has(within) => {
            if let Some(Piece::Stripe { entry: last, first, count, .. }) = pieces.last_mut()
                && Rc::ptr_eq(last, &entry)
                && *first + *count == within
            {
                *count += 1;
                return;
            }
            pieces.push(Piece::Stripe { entry, stripe, first: within, count: 1 });
        }
        Source::Log(block) => {
            if let Some(Piece::Log(run)) = pieces.last_mut()
                && run.last().is_some_and(|last| {
                    last.sequence == block.sequence && last.index + 1 == block.index
                })
            {
                run.push(block);
                return;
            }
            pieces.push(Piece::Log(vec![block]));
        }
        Source::Zero | Source::Stripe(_) => {
            if let Some(Piece::Zero(count)) = pieces.last_mut() {
                *count += 1;
                return;
            }
            pieces.push(Piece::Zero(1));
        }
    }
}
