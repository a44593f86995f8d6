//! What a log batch says, as bytes.

use super::entry::Entry;
use super::wire::{Reader, Writer};
use crate::control::{Limits, RecoverySpeed};
use crate::policy::Policy;

/// One record. Data blocks follow the batch's header in the order of its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Data blocks for `head` from `block` on, each with its CRC-32C.
    Write { head: u64, block: u64, checksums: Vec<u32> },
    /// Blocks that read as zeros.
    Zero { head: u64, block: u64, count: u64 },
    /// A stripe whose shards were written without the log.
    Stripe { head: u64, stripe: u64, entry: Entry },
    /// A change of the catalogue.
    Change(Change),
}

/// A change of the catalogue. Ids are chosen before it is written, so that replay finds the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    CreateVolume { id: u64, head: u64, name: String, blocks: u64 },
    Delete { id: u64 },
    Grow { id: u64, blocks: u64 },
    Snapshot { id: u64, head: u64, of: u64, name: String, time_seconds: u64 },
    Clone { id: u64, head: u64, of: u64, name: String, linked: bool },
    Flatten { id: u64 },
    Rollback { id: u64, head: u64, snapshot: u64 },
    SetLimits { id: u64, limits: Limits },
    SetRecoverySpeed(RecoverySpeed),
    SetPolicy(Policy),
}

impl Record {
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::Write { head, block, checksums } => {
                writer.u8(1);
                writer.u64(*head);
                writer.u64(*block);
                writer.count(checksums.len());
                for &checksum in checksums {
                    writer.u32(checksum);
                }
            }
            Self::Zero { head, block, count } => {
                writer.u8(2);
                writer.u64(*head);
                writer.u64(*block);
                writer.u64(*count);
            }
            Self::Stripe { head, stripe, entry } => {
                writer.u8(3);
                writer.u64(*head);
                writer.u64(*stripe);
                entry.write(writer);
            }
            Self::Change(change) => {
                writer.u8(4);
                change.write(writer);
            }
        }
    }

    /// All records of a batch; `None` if the bytes are not records.
    pub fn read_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let mut reader = Reader::new(bytes);
        let mut records = Vec::new();
        while !reader.is_at_end() {
            records.push(Self::read(&mut reader)?);
        }
        Some(records)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            1 => {
                let (head, block) = (reader.u64()?, reader.u64()?);
                let count = reader.count(4)?;
                let checksums = (0..count).map(|_| reader.u32()).collect::<Option<_>>()?;
                Self::Write { head, block, checksums }
            }
            2 => Self::Zero { head: reader.u64()?, block: reader.u64()?, count: reader.u64()? },
            3 => {
                let (head, stripe) = (reader.u64()?, reader.u64()?);
                Self::Stripe { head, stripe, entry: Entry::read(reader)? }
            }
            4 => Self::Change(Change::read(reader)?),
            _ => return None,
        })
    }

    /// How many data blocks belong to it.
    pub fn data_blocks(&self) -> usize {
        if let Self::Write { checksums, .. } = self { checksums.len() } else { 0 }
    }
}

impl Change {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::CreateVolume { id, head, name, blocks } => {
                writer.u8(1);
                writer.numbers(&[*id, *head, *blocks]);
                writer.text(name);
            }
            Self::Delete { id } => {
                writer.u8(2);
                writer.u64(*id);
            }
            Self::Grow { id, blocks } => {
                writer.u8(3);
                writer.numbers(&[*id, *blocks]);
            }
            Self::Snapshot { id, head, of, name, time_seconds } => {
                writer.u8(4);
                writer.numbers(&[*id, *head, *of, *time_seconds]);
                writer.text(name);
            }
            Self::Clone { id, head, of, name, linked } => {
                writer.u8(5);
                writer.numbers(&[*id, *head, *of]);
                writer.text(name);
                writer.u8(u8::from(*linked));
            }
            Self::Flatten { id } => {
                writer.u8(6);
                writer.u64(*id);
            }
            Self::Rollback { id, head, snapshot } => {
                writer.u8(7);
                writer.numbers(&[*id, *head, *snapshot]);
            }
            Self::SetLimits { id, limits } => {
                writer.u8(8);
                writer.u64(*id);
                write_limits(writer, *limits);
            }
            Self::SetRecoverySpeed(speed) => {
                writer.u8(9);
                writer.u8(speed_number(*speed));
            }
            Self::SetPolicy(policy) => {
                writer.u8(10);
                write_policy(writer, *policy);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            1 => {
                let (id, head, blocks) = (reader.u64()?, reader.u64()?, reader.u64()?);
                Self::CreateVolume { id, head, name: reader.text()?, blocks }
            }
            2 => Self::Delete { id: reader.u64()? },
            3 => Self::Grow { id: reader.u64()?, blocks: reader.u64()? },
            4 => {
                let (id, head, of) = (reader.u64()?, reader.u64()?, reader.u64()?);
                let time_seconds = reader.u64()?;
                Self::Snapshot { id, head, of, name: reader.text()?, time_seconds }
            }
            5 => {
                let (id, head, of) = (reader.u64()?, reader.u64()?, reader.u64()?);
                Self::Clone { id, head, of, name: reader.text()?, linked: reader.u8()? == 1 }
            }
            6 => Self::Flatten { id: reader.u64()? },
            7 => {
                let (id, head, snapshot) = (reader.u64()?, reader.u64()?, reader.u64()?);
                Self::Rollback { id, head, snapshot }
            }
            8 => Self::SetLimits { id: reader.u64()?, limits: read_limits(reader)? },
            9 => Self::SetRecoverySpeed(read_speed(reader)?),
            10 => Self::SetPolicy(read_policy(reader)?),
            _ => return None,
        })
    }
}

pub fn write_limits(writer: &mut Writer, limits: Limits) {
    writer.u32(limits.iops);
    writer.u64(limits.read_bytes_per_second);
    writer.u64(limits.write_bytes_per_second);
    writer.u32(limits.burst_seconds);
}

pub fn read_limits(reader: &mut Reader<'_>) -> Option<Limits> {
    Some(Limits {
        iops: reader.u32()?,
        read_bytes_per_second: reader.u64()?,
        write_bytes_per_second: reader.u64()?,
        burst_seconds: reader.u32()?,
    })
}

pub fn speed_number(speed: RecoverySpeed) -> u8 {
    match speed {
        RecoverySpeed::Low => 0,
        RecoverySpeed::Medium => 1,
        RecoverySpeed::High => 2,
    }
}

pub fn read_speed(reader: &mut Reader<'_>) -> Option<RecoverySpeed> {
    Some(match reader.u8()? {
        0 => RecoverySpeed::Low,
        1 => RecoverySpeed::Medium,
        2 => RecoverySpeed::High,
        _ => return None,
    })
}

pub fn write_policy(writer: &mut Writer, policy: Policy) {
    let numbers = match policy {
        Policy::Replicas { copies } => [1, copies, 0, 0],
        Policy::Erasure { data, parity } => [2, data, parity, 0],
        Policy::Folded { data, parity, failures } => [3, data, parity, failures],
    };
    writer.raw(&numbers);
}

pub fn read_policy(reader: &mut Reader<'_>) -> Option<Policy> {
    let policy = match *reader.raw(4)? {
        [1, copies, ..] => Policy::Replicas { copies },
        [2, data, parity, _] => Policy::Erasure { data, parity },
        [3, data, parity, failures] => Policy::Folded { data, parity, failures },
        _ => return None,
    };
    policy.check().ok()
}
