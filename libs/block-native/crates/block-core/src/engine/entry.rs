//! A stripe in the map: where its shards are and what must be in them.
//!
//! ```text
//! leaf entry, little-endian, padded to the pool's fixed size; all zeros is a hole
//!   0  8  birth: the generation it was written in
//!   8  1  data shards        9  1  parity shards
//!  10  1  blocks of a shard  11  1  0
//!  12  4  count of checksums
//!  16  8  present: bit i is set where block i of the stripe holds written bytes
//!  24  8  each shard: disk << 48 | block; 0 where the shard is not there
//!  ..  4  each checksum: CRC-32C of a block; shard by shard, or once for equal shards
//! ```

use super::wire::{Reader, Writer};
use crate::control::DiskId;

/// Most blocks of a stripe: the bits of `present`.
pub const STRIPE_BLOCKS_MAX: usize = 64;

const BLOCK_BITS: u32 = 48;

/// A block of a disk of the pool. Disk 0, block 0 is a superblock, so that value stands for
/// "nowhere".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place(pub u64);

impl Place {
    pub const NOWHERE: Self = Self(0);

    pub fn new(disk: DiskId, block: u64) -> Self {
        Self(u64::from(disk.0) << BLOCK_BITS | block)
    }

    pub fn disk(self) -> DiskId {
        DiskId(u16::try_from(self.0 >> BLOCK_BITS).unwrap_or(u16::MAX))
    }

    pub fn block(self) -> u64 {
        self.0 & ((1 << BLOCK_BITS) - 1)
    }

    pub fn is_somewhere(self) -> bool {
        self != Self::NOWHERE
    }
}

/// How a stripe is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub data: usize,
    pub parity: usize,
    pub shard_blocks: usize,
}

impl Shape {
    pub fn shards(self) -> usize {
        self.data + self.parity
    }

    /// Whether every shard is the whole stripe.
    pub fn is_replicated(self) -> bool {
        self.data == 1
    }

    pub fn checksums(self) -> usize {
        if self.is_replicated() { self.shard_blocks } else { self.shards() * self.shard_blocks }
    }
}

/// Where one block is, and what must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    pub place: Place,
    pub checksum: u32,
}

/// A stripe in the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub birth: u64,
    pub shape: Shape,
    pub present: u64,
    pub places: Vec<Place>,
    pub checksums: Vec<u32>,
}

impl Entry {
    /// What stands for the stripe where references are counted: one of its places, of which no
    /// two stripes share one.
    pub fn key(&self) -> u64 {
        self.places.iter().find(|place| place.is_somewhere()).map_or(0, |place| place.0)
    }

    pub fn has(&self, block: usize) -> bool {
        self.present >> block & 1 == 1
    }

    /// Where block `block` of the stripe is: which data shard, and which block of it.
    pub fn split(&self, block: usize) -> (usize, usize) {
        (block / self.shape.shard_blocks, block % self.shape.shard_blocks)
    }

    /// What block `row` of shard `shard` must have.
    pub fn checksum(&self, shard: usize, row: usize) -> u32 {
        let shard = if self.shape.is_replicated() { 0 } else { shard };
        self.checksums[shard * self.shape.shard_blocks + row]
    }

    pub fn set_checksum(&mut self, block: usize, checksum: u32) {
        self.checksums[block] = checksum;
    }

    /// How many shards are somewhere.
    pub fn shards_there(&self) -> usize {
        self.places.iter().filter(|place| place.is_somewhere()).count()
    }

    pub fn write(&self, writer: &mut Writer) {
        let small = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
        writer.u64(self.birth);
        writer.u8(small(self.shape.data));
        writer.u8(small(self.shape.parity));
        writer.u8(small(self.shape.shard_blocks));
        writer.u8(0);
        writer.count(self.checksums.len());
        writer.u64(self.present);
        for place in &self.places {
            writer.u64(place.0);
        }
        for &checksum in &self.checksums {
            writer.u32(checksum);
        }
    }

    /// `None` of a hole, and of bytes that are no entry.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let birth = reader.u64()?;
        let data = usize::from(reader.u8()?);
        let parity = usize::from(reader.u8()?);
        let shard_blocks = usize::from(reader.u8()?);
        reader.u8()?;
        let shape = Shape { data, parity, shard_blocks };
        if data == 0 || shard_blocks == 0 || reader.u32()? as usize != shape.checksums() {
            return None;
        }
        let present = reader.u64()?;
        let places = reader.raw(shape.shards() * 8)?.as_chunks().0;
        let places = places.iter().map(|bytes| Place(u64::from_le_bytes(*bytes))).collect();
        let checksums = reader.raw(shape.checksums() * 4)?.as_chunks().0;
        let checksums = checksums.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        Some(Self { birth, shape, present, places, checksums })
    }

    /// Where to read block `block` of an entry, of which nothing else is looked at: of equal shards
    /// on the disk that `reads` says was asked least. `None` where nothing is stored, or where it
    /// cannot be had from its own place alone; `reads` gives none of a disk that is not usable.
    pub fn spot(bytes: &[u8], block: usize, reads: impl Fn(Place) -> Option<u64>) -> Option<Spot> {
        let word = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk();
            bytes.map(|bytes| u64::from_le_bytes(*bytes))
        };
        let [data, parity, shard_blocks] = *bytes.get(8..)?.first_chunk()?;
        let [data, parity, rows] = [data, parity, shard_blocks].map(usize::from);
        let present = word(16)?;
        if data == 0 || rows == 0 || block >= data * rows || present >> block & 1 == 0 {
            return None;
        }
        let place = |shard: usize| word(24 + shard * 8).map(Place);
        let least = |shard: usize| {
            let place = place(shard).filter(|place| place.is_somewhere())?;
            Some((reads(place)?, place))
        };
        let place = if data == 1 {
            // The first of those that were asked least, as everywhere.
            let found = (0..=parity).filter_map(least).min_by_key(|&(reads, _)| reads)?;
            found.1
        } else {
            least(block / rows)?.1
        };
        let checksum = *bytes.get(24 + (data + parity) * 8 + block * 4..)?.first_chunk()?;
        let row = (block % rows) as u64;
        Some(Spot { place: Place(place.0 + row), checksum: u32::from_le_bytes(checksum) })
    }

    /// Bytes of an entry of this many places and checksums.
    pub const fn size_bytes(places: usize, checksums: usize) -> usize {
        24 + places * 8 + checksums * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written_and_zeros_are_a_hole() {
        let entry = Entry {
            birth: 9,
            shape: Shape { data: 4, parity: 2, shard_blocks: 4 },
            present: 0xff0f,
            places: (0..6).map(|disk| Place::new(DiskId(disk), 70 + u64::from(disk))).collect(),
            checksums: (0..24).collect(),
        };
        let mut writer = Writer::default();
        entry.write(&mut writer);
        assert_eq!(writer.bytes.len(), Entry::size_bytes(6, 24));
        assert_eq!(Entry::read(&mut Reader::new(&writer.bytes)), Some(entry));
        assert_eq!(Entry::read(&mut Reader::new(&[0; 200])), None);
    }

    #[test]
    fn a_spot_is_where_the_whole_entry_says() {
        for (data, parity) in [(1, 0), (1, 2), (4, 2)] {
            let shape = Shape { data, parity, shard_blocks: 4 };
            let shards = u16::try_from(shape.shards()).unwrap();
            let entry = Entry {
                birth: 9,
                shape,
                present: 0x0e,
                places: (0..shards).map(|disk| Place::new(DiskId(disk + 1), 70)).collect(),
                checksums: (100..).take(shape.checksums()).collect(),
            };
            let mut writer = Writer::default();
            entry.write(&mut writer);
            for block in 0..shape.data * 4 {
                let (shard, row) = entry.split(block);
                let chosen = if entry.shape.is_replicated() { shape.parity } else { shard };
                // Of equal ones the last was read least.
                let reads = |place: Place| Some(100 - u64::from(place.disk().0));
                let found = Entry::spot(&writer.bytes, block, reads);
                let wanted = entry.has(block).then(|| Spot {
                    place: Place(entry.places[chosen].0 + row as u64),
                    checksum: entry.checksum(shard, row),
                });
                assert_eq!(found, wanted, "{data}+{parity}, block {block}");
                assert_eq!(Entry::spot(&writer.bytes, block, |_| None), None);
            }
        }
        assert_eq!(Entry::spot(&[0; 200], 0, |_| Some(0)), None);
    }
}
