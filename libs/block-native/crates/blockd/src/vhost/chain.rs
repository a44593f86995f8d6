//! A chain of descriptors of a guest: read once, checked, and then never looked at again.
//!
//! ```text
//! descriptor  0        8      12      14     16
//!             address  bytes  flags   next
//! ```
//! Whatever a guest writes there, the walk ends: a chain in the table has as many links as the
//! table at most, one beside it as many as [`INDIRECT_MAX`], and a table beside names no other.

use super::memory::Memory;
use super::protocol::Payload;

/// The length of a descriptor.
pub const DESCRIPTOR_BYTES: usize = 16;
/// Descriptors of a table that one descriptor names.
pub const INDIRECT_MAX: usize = 1024;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A run of bytes in a guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where.
    pub address: u64,
    /// How many.
    pub bytes: u32,
}

/// What a guest hands over with one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// What the device reads.
    pub readable: Vec<Segment>,
    /// What the device writes.
    pub writable: Vec<Segment>,
}

/// A chain no device can serve, nor answer; its queue is broken from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadChain {
    /// A link to a descriptor that is not in the table.
    #[error("a descriptor beyond the table")]
    Index,
    /// More links than descriptors.
    #[error("a chain that does not end")]
    Endless,
    /// Bytes the guest does not have.
    #[error("an address that is not in the guest's memory")]
    Outside,
    /// What the device reads stands behind what it writes.
    #[error("a readable descriptor behind a writable one")]
    Order,
    /// A table of descriptors that is none.
    #[error("a table of descriptors that is none")]
    Table,
    /// No room for a request's head or for its answer.
    #[error("a request without head or answer")]
    Short,
    /// More requests than the queue has places.
    #[error("more requests than the queue has places")]
    Overrun,
}

/// Where descriptors lie.
#[derive(Clone, Copy)]
pub struct Table {
    /// The guest's address of the first.
    pub address: u64,
    /// How many there are.
    pub count: usize,
}

struct Descriptor {
    address: u64,
    bytes: u32,
    flags: u16,
    next: u16,
}

/// Walks the chain that begins with descriptor `head` of a queue's table.
///
/// # Errors
/// [`BadChain`]
pub fn walk(memory: &Memory, table: Table, head: u16) -> Result<Chain, BadChain> {
    let mut chain = Chain::default();
    let mut at = head;
    for _ in 0..table.count {
        let descriptor = read(memory, table, at)?;
        if descriptor.flags & INDIRECT != 0 {
            if descriptor.flags & NEXT != 0 {
                return Err(BadChain::Table);
            }
            let beside = table_of(&descriptor)?;
            walk_beside(memory, beside, &mut chain)?;
            return Ok(chain);
        }
        chain.add(memory, &descriptor)?;
        if descriptor.flags & NEXT == 0 {
            return Ok(chain);
        }
        at = descriptor.next;
    }
    Err(BadChain::Endless)
}

fn walk_beside(memory: &Memory, table: Table, chain: &mut Chain) -> Result<(), BadChain> {
    let mut at = 0;
    for _ in 0..table.count {
        let descriptor = read(memory, table, at)?;
        if descriptor.flags & INDIRECT != 0 {
            return Err(BadChain::Table);
        }
        chain.add(memory, &descriptor)?;
        if descriptor.flags & NEXT == 0 {
            return Ok(());
        }
        at = descriptor.next;
    }
    Err(BadChain::Endless)
}

fn table_of(descriptor: &Descriptor) -> Result<Table, BadChain> {
    let bytes = descriptor.bytes as usize;
    let count = bytes / DESCRIPTOR_BYTES;
    if count == 0 || count > INDIRECT_MAX || !bytes.is_multiple_of(DESCRIPTOR_BYTES) {
        return Err(BadChain::Table);
    }
    Ok(Table { address: descriptor.address, count })
}

fn read(memory: &Memory, table: Table, at: u16) -> Result<Descriptor, BadChain> {
    if usize::from(at) >= table.count {
        return Err(BadChain::Index);
    }
    let place = (usize::from(at) * DESCRIPTOR_BYTES) as u64;
    let address = table.address.checked_add(place).ok_or(BadChain::Outside)?;
    let mut raw = [0; DESCRIPTOR_BYTES];
    memory.read(address, &mut raw).map_err(|_| BadChain::Outside)?;
    let words = Payload(&raw);
    Ok(Descriptor {
        address: words.eight(0).ok_or(BadChain::Outside)?,
        bytes: words.four(8).ok_or(BadChain::Outside)?,
        flags: words.two(12).ok_or(BadChain::Outside)?,
        next: words.two(14).ok_or(BadChain::Outside)?,
    })
}

impl Chain {
    fn add(&mut self, memory: &Memory, descriptor: &Descriptor) -> Result<(), BadChain> {
        let Descriptor { address, bytes, flags, .. } = *descriptor;
        if !memory.has(address, bytes as usize) {
            return Err(BadChain::Outside);
        }
        let segment = Segment { address, bytes };
        if flags & WRITE != 0 {
            self.writable.push(segment);
        } else if self.writable.is_empty() {
            self.readable.push(segment);
        } else {
            return Err(BadChain::Order);
        }
        Ok(())
    }
}

/// The bytes of all segments.
#[must_use]
pub fn total_bytes(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.bytes)).sum()
}

/// Splits segments after `bytes`; what is there of them comes first.
#[must_use]
pub fn split(segments: &[Segment], bytes: u64) -> (Vec<Segment>, Vec<Segment>) {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut left = bytes;
    for segment in segments {
        let taken = left.min(u64::from(segment.bytes));
        left -= taken;
        // No more than the segment has, so it fits.
        let taken = u32::try_from(taken).unwrap_or(segment.bytes);
        if taken > 0 {
            first.push(Segment { address: segment.address, bytes: taken });
        }
        if taken < segment.bytes {
            let address = segment.address + u64::from(taken);
            rest.push(Segment { address, bytes: segment.bytes - taken });
        }
    }
    (first, rest)
}

#[cfg(test)]
mod tests {
    use super::super::memory::tests::guest;
    use super::*;

    const REGION: u64 = 0x1_0000;

    /// `SplitMix64`: the same numbers from the same seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (word ^ (word >> 31)) % limit
        }
    }

    fn put(memory: &Memory, table: u64, at: u64, address: u64, bytes: u32, flags: u16, next: u16) {
        let mut raw = address.to_le_bytes().to_vec();
        raw.extend(bytes.to_le_bytes());
        raw.extend(flags.to_le_bytes());
        raw.extend(next.to_le_bytes());
        memory.write(table + at * 16, &raw).expect("it is the guest's");
    }

    fn walk_8(memory: &Memory) -> Result<Chain, BadChain> {
        walk(memory, Table { address: 0, count: 8 }, 0)
    }

    #[test]
    fn a_chain_beside_the_table_is_the_same_as_one_in_it() {
        let memory = guest(REGION);
        let segments = [(0x1000, 16, 0), (0x2_0000, 512, 0), (0x3000, 4096, WRITE), (9, 1, WRITE)];
        for table in [0, 0x800] {
            for (at, (address, bytes, flags)) in (0u16..).zip(segments) {
                let more = if at < 3 { NEXT } else { 0 };
                put(&memory, table, at.into(), address, bytes, flags | more, at + 1);
            }
        }
        let direct = walk_8(&memory).expect("a good chain");
        assert_eq!(direct.readable[1], Segment { address: 0x2_0000, bytes: 512 });
        assert_eq!((direct.readable.len(), direct.writable.len()), (2, 2));
        put(&memory, 0, 0, 0x800, 64, INDIRECT, 0);
        assert_eq!(walk_8(&memory), Ok(direct.clone()));
        let (first, rest) = split(&direct.readable, 20);
        assert_eq!((total_bytes(&first), total_bytes(&rest)), (20, 508));
        assert_eq!(rest[0], Segment { address: 0x2_0004, bytes: 508 });
    }

    #[test]
    fn each_way_to_be_bad_has_its_name() {
        let memory = guest(REGION);
        let good = |memory: &Memory| put(memory, 0, 1, 0x1000, 16, 0, 0);
        let cases: [(u64, u32, u16, u16, BadChain); 9] = [
            (0x1000, 16, NEXT, 8, BadChain::Index),
            (0x1000, 16, NEXT, 0, BadChain::Endless),
            (REGION - 8, 16, 0, 0, BadChain::Outside),
            (u64::MAX, 16, 0, 0, BadChain::Outside),
            (0x1000, 16, WRITE | NEXT, 1, BadChain::Order),
            (0x1000, 24, INDIRECT, 0, BadChain::Table),
            (0x1000, 0, INDIRECT, 0, BadChain::Table),
            (0x1000, 16, INDIRECT | NEXT, 1, BadChain::Table),
            (u64::MAX - 7, 16, INDIRECT, 0, BadChain::Outside),
        ];
        for (address, bytes, flags, next, expected) in cases {
            good(&memory);
            put(&memory, 0, 0, address, bytes, flags, next);
            assert_eq!(walk_8(&memory), Err(expected));
        }
        // A table that names a table: itself, here.
        put(&memory, 0, 0, 0, 16, INDIRECT, 0);
        assert_eq!(walk_8(&memory), Err(BadChain::Table));
        assert_eq!(walk(&memory, Table { address: 0, count: 8 }, 8), Err(BadChain::Index));
    }

    #[test]
    fn a_million_hostile_descriptors_end_and_stay_in_the_guest_s_memory() {
        let memory = guest(REGION);
        let mut random = Random(4);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..30_000 {
            for at in 0..32 {
                let address = match random.below(8) {
                    0 => random.below(u64::MAX),
                    1 => REGION - random.below(32),
                    2 => 2 * REGION + random.below(REGION),
                    _ => random.below(REGION),
                };
                let bytes = match random.below(4) {
                    0 => u32::try_from(random.below(1 << 32)),
                    1 => u32::try_from(16 * random.below(40)),
                    _ => u32::try_from(random.below(600)),
                };
                let flags = u16::try_from(random.below(8)).expect("small");
                let next = u16::try_from(random.below(34)).expect("small");
                put(&memory, 0, at, address, bytes.expect("it fits"), flags, next);
            }
            match walk(&memory, Table { address: 0, count: 32 }, 0) {
                Ok(chain) => {
                    good += 1;
                    assert!(chain.readable.len() + chain.writable.len() <= INDIRECT_MAX);
                    for segment in chain.readable.iter().chain(&chain.writable) {
                        assert!(memory.has(segment.address, segment.bytes as usize));
                    }
                }
                Err(_) => bad += 1,
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
    }
}
