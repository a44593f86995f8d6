//! A table as bytes, little-endian:
//!
//! ```text
//!  at  bytes
//!   0      8  "PURLINPT"
//!   8      2  version, 1
//!  10      1  policy: 0 replicas, 1 erasure, 2 folded
//!  11      1  level: 0 disk, 1 server, 2 rack, 3 room
//!  12      1  K, or copies        13  1  M        14  1  B        15  1  0
//!  16      4  epoch
//!  20      8  seed
//!  28      2  number of disks D
//!  30      2  number of groups of disks G
//!  32   35 D  disks: number 2, room 8, rack 8, server 8, capacity 8, media 1 (0 HDD, 1 SSD,
//!             2 NVMe)
//!   .      .  groups, each: weight 4, members 2, their numbers 2 each, placement groups 4, the
//!             disks of each 2 x width, unsettled 4, each of those: number 4, width 1, disks 2 each
//!  end     4  CRC-32C of all before
//! ```

use std::collections::BTreeMap;

use purlin_ec_core::crc32c;

use crate::control::DiskId;
use crate::disk::Media;
use crate::placement::groups::Group;
use crate::placement::{Level, Location, PlacementError, PlacementTable, TableDisk};
use crate::policy::Policy;

const MAGIC: &[u8; 8] = b"PURLINPT";
const VERSION: u16 = 1;
const MEDIA: [Media; 3] = [Media::Hdd, Media::Ssd, Media::Nvme];

impl PlacementTable {
    /// The table as bytes: 2 for each place of a placement group and 35 a disk, mostly.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::new());
        out.0.extend(MAGIC);
        out.u16(VERSION);
        let (kind, k, m, b) = match self.policy {
            Policy::Replicas { copies } => (0, copies, 0, 0),
            Policy::Erasure { data, parity } => (1, data, parity, 0),
            Policy::Folded { data, parity, failures } => (2, data, parity, failures),
        };
        out.0.extend([kind, self.level as u8, k, m, b, 0]);
        out.u32(self.epoch);
        out.u64(self.seed);
        out.count16(self.disks.len());
        out.count16(self.groups.len());
        for disk in &self.disks {
            out.u16(disk.id.0);
            out.u64(disk.location.room);
            out.u64(disk.location.rack);
            out.u64(disk.location.server);
            out.u64(disk.capacity_bytes);
            out.count8(MEDIA.iter().position(|&media| media == disk.media).unwrap_or(0));
        }
        for group in &self.groups {
            out.u32(group.weight);
            out.count16(group.members.len());
            out.disks(&group.members);
            out.count32(group.count(self.policy.shards()));
            out.disks(&group.sets);
            out.count32(group.previous.len());
            for (&pg, set) in &group.previous {
                out.u32(pg);
                out.count8(set.len());
                out.disks(set);
            }
        }
        let crc = crc32c(&out.0);
        out.u32(crc);
        out.0
    }

    /// Reads what [`PlacementTable::encode`] wrote.
    ///
    /// # Errors
    /// [`PlacementError::Table`] for other bytes, a newer version, or a wrong checksum.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlacementError> {
        let wrong = |reason| Err(PlacementError::Table { reason });
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
            return wrong("it is too short");
        };
        if !body.starts_with(MAGIC) {
            return wrong("these bytes are no table");
        }
        if u32::from_le_bytes(*crc) != crc32c(body) {
            return wrong("its checksum differs");
        }
        let mut input = Reader(&body[MAGIC.len()..]);
        if input.u16() != Some(VERSION) {
            return wrong("its version is not 1; upgrade");
        }
        let table = read(&mut input).filter(|_| input.0.is_empty());
        table.ok_or(PlacementError::Table { reason: "it holds values that are never written" })
    }
}

fn read(input: &mut Reader<'_>) -> Option<PlacementTable> {
    let [kind, level, k, m, b, _] = input.take()?;
    let policy = match kind {
        0 => Policy::Replicas { copies: k },
        1 => Policy::Erasure { data: k, parity: m },
        2 => Policy::Folded { data: k, parity: m, failures: b },
        _ => return None,
    };
    let policy = policy.check().ok()?;
    let level = *Level::ALL.get(usize::from(level))?;
    let (epoch, seed) = (input.u32()?, input.u64()?);
    let (disks, groups) = (input.u16()?, input.u16()?);
    let disks: Vec<TableDisk> = (0..disks).map(|_| input.disk()).collect::<Option<_>>()?;
    let groups: Vec<Group> =
        (0..groups).map(|_| input.group(policy.shards())).collect::<Option<_>>()?;
    let known = |id: &DiskId| disks.binary_search_by_key(id, |disk| disk.id).is_ok();
    let ascending = disks.windows(2).all(|pair| pair[0].id < pair[1].id);
    let sound =
        ascending && groups.iter().all(|group| group.sets.iter().chain(&group.members).all(known));
    sound.then_some(PlacementTable { epoch, seed, policy, level, disks, groups })
}

struct Writer(Vec<u8>);

impl Writer {
    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    /// A list of disks is no longer than the widest policy.
    fn count8(&mut self, count: usize) {
        self.0.push(u8::try_from(count).unwrap_or(u8::MAX));
    }

    /// Disks are numbered by 16 bits, so there are never more of anything counted so.
    fn count16(&mut self, count: usize) {
        self.u16(u16::try_from(count).unwrap_or(u16::MAX));
    }

    fn count32(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn disks(&mut self, disks: &[DiskId]) {
        for disk in disks {
            self.u16(disk.0);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn disks(&mut self, count: usize) -> Option<Vec<DiskId>> {
        // Never reserves more than there are bytes for.
        if self.0.len() / 2 < count {
            return None;
        }
        (0..count).map(|_| self.u16().map(DiskId)).collect()
    }

    fn disk(&mut self) -> Option<TableDisk> {
        let id = DiskId(self.u16()?);
        let location = Location { room: self.u64()?, rack: self.u64()?, server: self.u64()? };
        let capacity_bytes = self.u64()?;
        let media = *MEDIA.get(usize::from(self.u8()?))?;
        Some(TableDisk { id, location, capacity_bytes, media })
    }

    fn group(&mut self, width: usize) -> Option<Group> {
        let weight = self.u32()?;
        let members = self.u16()?;
        let members = self.disks(usize::from(members))?;
        let count = usize::try_from(self.u32()?).ok()?;
        if !count.is_power_of_two() {
            return None;
        }
        let sets = self.disks(count.checked_mul(width)?)?;
        let mut previous = BTreeMap::new();
        for _ in 0..self.u32()? {
            let (pg, width) = (self.u32()?, self.u8()?);
            if pg as usize >= count {
                return None;
            }
            previous.insert(pg, self.disks(usize::from(width))?);
        }
        Some(Group { weight, members, sets, previous })
    }
}
