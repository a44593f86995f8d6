//! The pool's state as bytes: what a checkpoint writes beside the map pages.

use std::collections::VecDeque;

use super::catalogue::{Base, Catalogue, Dead, Head, Volume};
use super::core::Core;
use super::geometry::Geometry;
use super::members::{Member, Members};
use super::pages::Pointer;
use super::records;
use super::ring::Ring;
use super::space::Space;
use super::superblocks::Lacking;
use super::tree::Root;
use super::wire::{Reader, Writer};
use crate::control::{DiskId, DiskState, Limits, RecoverySpeed};
use crate::disk::Media;
use crate::placement::PlacementTable;
use crate::policy::Policy;

/// What the state says beside the catalogue and the members.
pub struct Stored {
    pub policy: Policy,
    pub geometry: Geometry,
    /// Changes up to here are in the catalogue.
    pub changes_through: u64,
    /// Formats 1 and 2 had none.
    pub table: Option<PlacementTable>,
}

impl Core {
    /// The state as it is now.
    pub fn write_state(&self, changes_through: u64) -> Vec<u8> {
        let mut writer = Writer::default();
        let geometry = self.geometry.get();
        records::write_policy(&mut writer, self.policy.get());
        writer.count(geometry.stripe_blocks);
        writer.count(geometry.entry_bytes);
        writer.u64(geometry.leaf_entries);
        writer.u64(changes_through);
        write_members(&mut writer, &self.members.borrow());
        write_catalogue(&mut writer, &self.catalogue.borrow(), self.state_format.get());
        if self.state_format.get() > 2 {
            let (rebalance, paused) = (self.wanted.rebalance.get(), self.wanted.paused.get());
            writer.u8(u8::from(rebalance) | u8::from(paused) << 1);
            let table = self.table.borrow().encode();
            writer.count(table.len());
            writer.raw(&table);
            for member in self.members.borrow().iter() {
                writer.text(&member.name);
            }
        }
        writer.bytes
    }

    /// Takes over the state in `bytes`; `None` if they are none.
    pub fn read_state(&self, bytes: &[u8], format: u32) -> Option<Stored> {
        let mut reader = Reader::new(bytes);
        let policy = records::read_policy(&mut reader)?;
        let geometry = Geometry {
            stripe_blocks: reader.u32()? as usize,
            entry_bytes: reader.u32()? as usize,
            leaf_entries: reader.u64()?,
        };
        let changes_through = reader.u64()?;
        let shape = geometry.shape(policy.data_shards(), policy.parity_shards());
        *self.members.borrow_mut() = read_members(&mut reader, shape.shard_blocks as u64)?;
        *self.catalogue.borrow_mut() = read_catalogue(&mut reader, format)?;
        let table = if format > 2 {
            let moving = reader.u8()?;
            self.wanted.rebalance.set(moving & 1 > 0);
            self.wanted.paused.set(moving & 2 > 0);
            let length = reader.count(1)?;
            let table = PlacementTable::decode(reader.raw(length)?).ok()?;
            // The names came to format 3 later, at its end, where who does not know them never
            // looks.
            for member in self.members.borrow_mut().iter_mut() {
                member.name = reader.text().unwrap_or_default();
            }
            Some(table)
        } else {
            None
        };
        Some(Stored { policy, geometry, changes_through, table })
    }
}

fn write_members(writer: &mut Writer, members: &Members) {
    writer.count(members.iter().count());
    for member in members.iter() {
        writer.u16(member.id.0);
        writer.u8(match member.media {
            Media::Hdd => 0,
            Media::Ssd => 1,
            Media::Nvme => 2,
        });
        writer.u8(match member.state {
            DiskState::Online | DiskState::Joining => 0,
            DiskState::Maintenance => 1,
            DiskState::Leaving => 2,
            DiskState::Missing => 3,
        });
        writer.u64(member.size_blocks);
        writer.u64(member.log.start);
        writer.u64(member.log.blocks);
        writer.count(member.domains.len());
        for domain in &member.domains {
            writer.text(domain);
        }
    }
}

fn read_members(reader: &mut Reader<'_>, slot_blocks: u64) -> Option<Members> {
    let mut members = Members::default();
    for _ in 0..reader.count(32)? {
        let id = DiskId(reader.u16()?);
        let media = match reader.u8()? {
            0 => Media::Hdd,
            1 => Media::Ssd,
            _ => Media::Nvme,
        };
        let state = match reader.u8()? {
            0 => DiskState::Online,
            1 => DiskState::Maintenance,
            2 => DiskState::Leaving,
            _ => DiskState::Missing,
        };
        let (size_blocks, start, blocks) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let domains = (0..reader.count(4)?).map(|_| reader.text()).collect::<Option<_>>()?;
        members.push(Member {
            id,
            handle: None,
            name: String::new(),
            media,
            size_blocks,
            domains,
            state,
            log: Ring::new(start, blocks),
            space: Space::with_slots(start + blocks..size_blocks, slot_blocks),
            errors: 0,
            written: 0,
            flushed: 0,
            reads: 0,
            lacking: Lacking::default(),
            moved_bytes: 0,
        });
    }
    Some(members)
}

fn write_catalogue(writer: &mut Writer, catalogue: &Catalogue, format: u32) {
    writer.u64(catalogue.next_id);
    writer.u16(catalogue.next_disk);
    if format > 1 {
        writer.u8(records::speed_number(catalogue.recovery_speed));
    }
    writer.count(catalogue.volumes.len());
    for (&id, volume) in &catalogue.volumes {
        writer.u64(id);
        writer.text(&volume.name);
        writer.u64(volume.head);
        writer.u8(u8::from(volume.snapshot));
        writer.u64(volume.parent.unwrap_or(0));
        writer.u64(volume.time_seconds);
        if format > 1 {
            records::write_limits(writer, volume.limits);
        }
    }
    writer.count(catalogue.heads.len());
    for (&id, head) in &catalogue.heads {
        writer.u64(id);
        writer.u64(head.blocks);
        match head.base {
            Base::Tree(root) => {
                writer.u8(0);
                writer.u8(root.height);
                root.pointer.write(writer);
            }
            Base::Frozen { head, through } => {
                writer.u8(1);
                writer.u64(head);
                writer.u64(through);
            }
        }
    }
    writer.count(catalogue.dead.len());
    for dead in &catalogue.dead {
        writer.u8(dead.level);
        dead.pointer.write(writer);
    }
}

fn read_catalogue(reader: &mut Reader<'_>, format: u32) -> Option<Catalogue> {
    let next_id = reader.u64()?;
    let next_disk = reader.u16()?;
    let mut catalogue = Catalogue { next_id, next_disk, ..Catalogue::default() };
    // Format 1 had neither the recovery speed nor limits.
    catalogue.recovery_speed =
        if format > 1 { records::read_speed(reader)? } else { RecoverySpeed::Medium };
    for _ in 0..reader.count(37)? {
        let id = reader.u64()?;
        let name = reader.text()?;
        let head = reader.u64()?;
        let snapshot = reader.u8()? == 1;
        let parent = Some(reader.u64()?).filter(|&parent| parent != 0);
        let time_seconds = reader.u64()?;
        let limits = if format > 1 { records::read_limits(reader)? } else { Limits::default() };
        let volume = Volume { name, head, snapshot, parent, time_seconds, limits };
        catalogue.volumes.insert(id, volume);
    }
    for _ in 0..reader.count(30)? {
        let id = reader.u64()?;
        let blocks = reader.u64()?;
        let base = if reader.u8()? == 0 {
            let height = reader.u8()?;
            Base::Tree(Root { height, pointer: Pointer::read(reader)? })
        } else {
            Base::Frozen { head: reader.u64()?, through: reader.u64()? }
        };
        catalogue
            .heads
            .insert(id, Head { blocks, base, layers: VecDeque::new(), ends: Vec::new() });
    }
    for _ in 0..reader.count(65)? {
        let level = reader.u8()?;
        catalogue.dead.push(Dead { level, pointer: Pointer::read(reader)? });
    }
    catalogue.find_ends();
    Some(catalogue)
}
