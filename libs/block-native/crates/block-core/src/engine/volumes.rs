//! Owners' calls about volumes and snapshots.

use std::rc::Rc;

use super::catalogue::Volume;
use super::core::Core;
use super::records::{Change, Record};
use crate::buffer::BLOCK_BYTES;
use crate::control::{ControlAnswer, ControlOp};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::VolumeId;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Names are for people; the state has to hold all of them.
const NAME_BYTES_MAX: usize = 255;

type Answered = Result<ControlAnswer, BlockError>;

impl Core {
    /// Does what changes the catalogue: one log record each, durable when answered. `None` if the
    /// call is about something else.
    pub async fn change(self: &Rc<Self>, op: &ControlOp) -> Option<Answered> {
        let planned = self.plan_change(op)?;
        Some(match planned {
            Ok((change, answer)) => self.commit(change).await.map(|()| answer),
            Err(error) => Err(error),
        })
    }

    async fn commit(self: &Rc<Self>, change: Change) -> Result<(), BlockError> {
        self.append(Record::Change(change), Vec::new()).await?;
        self.flush(IoClass::Client).await
    }

    fn plan_change(&self, op: &ControlOp) -> Option<Result<(Change, ControlAnswer), BlockError>> {
        let done =
            |change: Result<Change, BlockError>| change.map(|change| (change, ControlAnswer::Done));
        Some(match op {
            ControlOp::CreateVolume { name, size_bytes } => self.plan_create(name, *size_bytes),
            ControlOp::Snapshot { volume, name, time_seconds } => {
                self.plan_snapshot(*volume, name, *time_seconds)
            }
            ControlOp::Clone { snapshot, name, linked } => {
                self.plan_clone(*snapshot, name, *linked)
            }
            ControlOp::Delete(volume) => done(self.plan_delete(*volume)),
            ControlOp::Grow { volume, size_bytes } => done(self.plan_grow(*volume, *size_bytes)),
            ControlOp::Flatten(volume) => {
                done(self.volume(*volume).map(|_| Change::Flatten { id: volume.0 }))
            }
            ControlOp::Rollback { volume, snapshot } => {
                done(self.plan_rollback(*volume, *snapshot))
            }
            ControlOp::SetLimits { volume, limits } => {
                let change = Change::SetLimits { id: volume.0, limits: *limits };
                done(self.volume(*volume).map(|_| change))
            }
            ControlOp::SetRecoverySpeed(speed) => done(Ok(Change::SetRecoverySpeed(*speed))),
            ControlOp::SetPolicy(policy) => done(self.plan_policy(*policy)),
            _ => return None,
        })
    }

    fn volume(&self, volume: VolumeId) -> Result<Volume, BlockError> {
        let catalogue = self.catalogue.borrow();
        let found = catalogue.volumes.get(&volume.0).cloned();
        found.ok_or(BlockError::NoVolume { volume })
    }

    fn check_name(&self, name: &str) -> Result<(), BlockError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let reason = format!("a name has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
            return Err(BlockError::Invalid { reason });
        }
        if self.catalogue.borrow().by_name(name).is_some() {
            return Err(BlockError::NameTaken { name: name.to_string() });
        }
        Ok(())
    }

    fn new_ids(&self) -> (u64, u64) {
        let mut catalogue = self.catalogue.borrow_mut();
        (catalogue.take_id(), catalogue.take_id())
    }

    fn plan_create(
        &self,
        name: &str,
        size_bytes: u64,
    ) -> Result<(Change, ControlAnswer), BlockError> {
        self.check_name(name)?;
        if size_bytes == 0 || !size_bytes.is_multiple_of(BLOCK) {
            return Err(BlockError::Unaligned { offset: 0, length: size_bytes });
        }
        let (id, head) = self.new_ids();
        let blocks = size_bytes / BLOCK;
        let change = Change::CreateVolume { id, head, name: name.to_string(), blocks };
        Ok((change, ControlAnswer::Volume(VolumeId(id))))
    }

    fn plan_snapshot(
        &self,
        volume: VolumeId,
        name: &str,
        time_seconds: u64,
    ) -> Result<(Change, ControlAnswer), BlockError> {
        self.check_name(name)?;
        if self.volume(volume)?.snapshot {
            return Err(BlockError::ReadOnly { volume });
        }
        let (id, head) = self.new_ids();
        let name = name.to_string();
        let change = Change::Snapshot { id, head, of: volume.0, name, time_seconds };
        Ok((change, ControlAnswer::Volume(VolumeId(id))))
    }

    fn plan_clone(
        &self,
        snapshot: VolumeId,
        name: &str,
        linked: bool,
    ) -> Result<(Change, ControlAnswer), BlockError> {
        self.check_name(name)?;
        if !self.volume(snapshot)?.snapshot {
            let reason = format!("volume {} is not a snapshot; make one to clone it", snapshot.0);
            return Err(BlockError::Invalid { reason });
        }
        let (id, head) = self.new_ids();
        let change = Change::Clone { id, head, of: snapshot.0, name: name.to_string(), linked };
        Ok((change, ControlAnswer::Volume(VolumeId(id))))
    }

    fn plan_delete(&self, volume: VolumeId) -> Result<Change, BlockError> {
        self.volume(volume)?;
        let catalogue = self.catalogue.borrow();
        let depend = catalogue.volumes.values().filter(|other| other.parent == Some(volume.0));
        let dependents: Vec<_> = depend.map(|other| other.name.clone()).collect();
        if !dependents.is_empty() {
            return Err(BlockError::HasDependents { dependents });
        }
        Ok(Change::Delete { id: volume.0 })
    }

    fn plan_grow(&self, volume: VolumeId, size_bytes: u64) -> Result<Change, BlockError> {
        let found = self.volume(volume)?;
        if found.snapshot {
            return Err(BlockError::ReadOnly { volume });
        }
        if !size_bytes.is_multiple_of(BLOCK) {
            return Err(BlockError::Unaligned { offset: 0, length: size_bytes });
        }
        let blocks = self.catalogue.borrow().heads.get(&found.head).map_or(0, |head| head.blocks);
        if size_bytes / BLOCK < blocks {
            let reason =
                format!("a volume of {} bytes cannot shrink to {size_bytes}", blocks * BLOCK);
            return Err(BlockError::Invalid { reason });
        }
        Ok(Change::Grow { id: volume.0, blocks: size_bytes / BLOCK })
    }

    fn plan_rollback(&self, volume: VolumeId, snapshot: VolumeId) -> Result<Change, BlockError> {
        let (target, source) = (self.volume(volume)?, self.volume(snapshot)?);
        if target.snapshot || !source.snapshot || source.parent != Some(volume.0) {
            let reason = format!("{} is not a snapshot of volume {}", source.name, target.name);
            return Err(BlockError::Invalid { reason });
        }
        let head = self.catalogue.borrow_mut().take_id();
        Ok(Change::Rollback { id: volume.0, head, snapshot: snapshot.0 })
    }

    fn plan_policy(&self, policy: Policy) -> Result<Change, BlockError> {
        policy.check()?;
        let now = self.policy.get();
        let allowed = match (now, policy) {
            (Policy::Replicas { .. }, Policy::Replicas { .. }) => true,
            (Policy::Folded { data, parity, .. }, Policy::Erasure { data: k, parity: m }) => {
                (data, parity) == (k, m)
            }
            _ => false,
        };
        if !allowed {
            let reason = format!("a pool of {now} cannot become one of {policy}");
            return Err(BlockError::Invalid { reason });
        }
        let domains = self.live_domains();
        if domains < policy.shards() {
            return Err(BlockError::TooFewDisks { found: domains, needed: policy.shards() });
        }
        Ok(Change::SetPolicy(policy))
    }
}
