//! What is really placed, as the map says.

use std::collections::HashSet;
use std::rc::Rc;

use super::catalogue::Base;
use super::core::Core;
use super::entry::Entry;
use super::geometry::FAN_OUT;
use super::members::Member;
use super::pages::child;
use super::tree::leaf_entry;
use crate::buffer::BLOCK_BYTES;
use crate::control::{DiskId, DiskState, Survey};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::placement::{Census, TableDisk};

impl Core {
    /// Looks through the map. Runs inside a cycle, so that nothing moves under it.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn survey(self: &Rc<Self>) -> Result<Survey, BlockError> {
        let mut survey = Survey {
            disks: self.members.borrow().iter().map(Member::place).collect(),
            ..Survey::default()
        };
        let mut seen = HashSet::new();
        let mut left: Vec<_> = {
            let catalogue = self.catalogue.borrow();
            let roots = catalogue.heads.values().filter_map(|head| match head.base {
                Base::Tree(root) => Some((root.pointer, root.height - 1, 0)),
                Base::Frozen { .. } => None,
            });
            roots.collect()
        };
        let geometry = self.geometry.get();
        while let Some((pointer, level, first)) = left.pop() {
            if pointer.is_null() || !seen.insert(pointer.key()) {
                continue;
            }
            let page = self.page(&pointer, IoClass::Migration).await?;
            if level > 0 {
                let reach = geometry.reach(level - 1);
                let slots = 0..usize::try_from(FAN_OUT).unwrap_or_default();
                left.extend(
                    slots.map(|at| (child(&page, at), level - 1, first + at as u64 * reach)),
                );
                continue;
            }
            let slots = 0..usize::try_from(geometry.leaf_entries).unwrap_or_default();
            for slot in slots {
                let Some(entry) = leaf_entry(geometry, &page, slot) else { continue };
                if seen.insert(entry.key()) {
                    self.note_stripe(&mut survey, &entry, first + slot as u64);
                }
            }
        }
        let stored: Vec<(TableDisk, u64)> = survey
            .disks
            .iter()
            .map(|disk| (*disk, survey.stored.get(&disk.id).copied().unwrap_or(0)))
            .collect();
        survey.least_bytes = self.table.borrow().least_to_share(&stored, survey.lost_bytes);
        Ok(survey)
    }

    fn note_stripe(&self, survey: &mut Survey, entry: &Entry, stripe: u64) {
        let bytes = (entry.shape.shard_blocks * BLOCK_BYTES) as u64;
        let members = self.members.borrow();
        let home = |disk: DiskId| {
            members.get(disk).is_some_and(|member| member.state != DiskState::Leaving)
        };
        let mut there = Vec::new();
        let mut now = Vec::new();
        for place in &entry.places {
            let disk = place.is_somewhere().then(|| place.disk());
            // What was given up is lost; what is to be emptied still counts.
            let known = disk.filter(|&disk| members.get(disk).is_some_and(Member::may_have));
            if let Some(disk) = known {
                *survey.stored.entry(disk).or_default() += bytes;
                there.push(disk);
            }
            let stays = known.filter(|&disk| home(disk));
            match (known, stays) {
                (None, _) => survey.lost_bytes += bytes,
                (Some(_), None) => survey.homeless_bytes += bytes,
                (Some(_), Some(_)) => {}
            }
            now.push(stays);
        }
        drop(members);
        let destination = self.table.borrow().destination(stripe, &now);
        let amiss = now
            .iter()
            .zip(&destination)
            .filter(|(now, wanted)| now.is_some() && wanted.is_some() && now != wanted);
        survey.misplaced_bytes += bytes * amiss.count() as u64;
        let tolerates = there.len().saturating_sub(entry.shape.data);
        survey.stripes += 1;
        *survey.counted.entry(tolerates).or_default() += 1;
        let census = survey.placed.entry(tolerates).or_insert_with(|| Census::new(tolerates));
        census.add(there);
    }
}
