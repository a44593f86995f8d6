//! The memory of a guest, mapped: every access is checked against what the front end gave.
//!
//! A file that shrinks under a mapping kills who reads it (`SIGBUS`), so only memory that is sealed
//! against that is taken (`memfd_create(2)`).

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use serde::{Deserialize, Serialize};
use vm_memory::{
    AtomicAccess, Bytes, FileOffset, GuestAddress, GuestMemory, GuestMemoryBackend,
    GuestRegionCollection, GuestRegionMmap, MmapRegion, Permissions,
};

use super::refusal::Refusal;
use crate::port::operation::Handle;

/// A part of a guest's memory as the front end describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Where the guest has it.
    pub guest: u64,
    /// How many bytes.
    pub length: u64,
    /// Where the front end has it, which is how it names the places of queues.
    pub front_end: u64,
    /// Where in its file it begins.
    pub offset: u64,
}

/// Something in a guest's memory that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address that is not in the guest's memory")]
pub struct Outside;

/// All of a guest's memory.
pub struct Memory {
    map: GuestRegionCollection<GuestRegionMmap>,
    regions: Vec<Region>,
}

impl Memory {
    /// Maps regions, each of its file.
    ///
    /// # Errors
    /// [`Refusal`]: a file that can shrink, is too short or cannot be mapped; regions that overlap.
    pub fn map(regions: &[Region], files: &[Handle]) -> Result<Self, Refusal> {
        let mut mapped = Vec::new();
        for (region, file) in regions.iter().zip(files) {
            let map = map_file(file, region.offset, region.length)?;
            let placed = GuestRegionMmap::new(map, GuestAddress(region.guest));
            mapped.push(placed.ok_or(Refusal::Malformed { what: "memory past the last address" })?);
        }
        mapped.sort_by_key(|region| vm_memory::GuestMemoryRegion::start_addr(region).0);
        let map = GuestRegionCollection::from_regions(mapped)
            .map_err(|error| Refusal::Unmapped(error.to_string()))?;
        Ok(Self { map, regions: regions.to_vec() })
    }

    /// The guest's address of a front end's, if all `bytes` from there are in one region.
    #[must_use]
    pub fn guest_address(&self, front_end: u64, bytes: u64) -> Option<u64> {
        self.regions.iter().find_map(|region| {
            let within = front_end.checked_sub(region.front_end)?;
            let end = within.checked_add(bytes)?;
            (end <= region.length).then(|| region.guest + within)
        })
    }

    /// Whether a range is the guest's, all of it.
    #[must_use]
    pub fn has(&self, address: u64, bytes: usize) -> bool {
        let access = Permissions::ReadWrite;
        address.checked_add(bytes as u64).is_some()
            && GuestMemory::check_range(&self.map, GuestAddress(address), bytes, access)
    }

    /// Copies bytes of the guest.
    ///
    /// # Errors
    /// [`Outside`]
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Outside> {
        self.map.read_slice(into, GuestAddress(address)).map_err(|_| Outside)
    }

    /// Copies bytes to the guest.
    ///
    /// # Errors
    /// [`Outside`]
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Outside> {
        self.map.write_slice(bytes, GuestAddress(address)).map_err(|_| Outside)
    }

    /// Reads a number that both sides change; it must be aligned to itself.
    ///
    /// # Errors
    /// [`Outside`]
    pub fn load<T: AtomicAccess>(&self, address: u64, order: Ordering) -> Result<T, Outside> {
        self.map.load(GuestAddress(address), order).map_err(|_| Outside)
    }

    /// Writes a number that the other side reads; it must be aligned to itself.
    ///
    /// # Errors
    /// [`Outside`]
    pub fn store<T: AtomicAccess>(
        &self,
        address: u64,
        value: T,
        order: Ordering,
    ) -> Result<(), Outside> {
        self.map.store(value, GuestAddress(address), order).map_err(|_| Outside)
    }

    /// How many regions there are.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.map.num_regions()
    }
}

/// Maps a part of a file that cannot shrink.
///
/// # Errors
/// [`Refusal`]
pub fn map_file(file: &Handle, offset: u64, length: u64) -> Result<MmapRegion, Refusal> {
    // What is no memfd has no seals at all (fcntl(2)).
    let seals = fcntl_get_seals(file.as_fd()).unwrap_or(SealFlags::empty());
    if !seals.contains(SealFlags::SHRINK) {
        return Err(Refusal::Unsealed);
    }
    let end = offset.checked_add(length).filter(|_| length > 0);
    let held = u64::try_from(fstat(file.as_fd())?.st_size).unwrap_or(0);
    if end.is_none_or(|end| end > held) {
        return Err(Refusal::Malformed { what: "memory beyond the end of its file" });
    }
    let bytes = usize::try_from(length).map_err(|error| Refusal::Unmapped(error.to_string()))?;
    let file = File::from(file.as_fd().try_clone_to_owned()?);
    MmapRegion::from_file(FileOffset::new(file, offset), bytes)
        .map_err(|error| Refusal::Unmapped(error.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};

    use super::*;

    /// A guest with two regions of so many bytes, the second at twice that.
    pub fn guest(bytes: u64) -> Memory {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .expect("the system has memory files");
        ftruncate(&file, 2 * bytes).expect("it grows");
        fcntl_add_seals(&file, SealFlags::SHRINK).expect("it can be sealed");
        let file = Arc::new(file);
        let region = |number: u64| Region {
            guest: number * 2 * bytes,
            length: bytes,
            front_end: 0x5000_0000 + number * bytes,
            offset: number * bytes,
        };
        let regions = [region(0), region(1)];
        Memory::map(&regions, &[Arc::clone(&file), file]).expect("it can be mapped")
    }

    #[test]
    fn what_is_not_all_of_one_region_is_not_the_guest_s() {
        let memory = guest(0x1_0000);
        assert_eq!(memory.regions(), 2);
        assert!(memory.has(0, 0x1_0000) && memory.has(0x2_0000, 0x1_0000));
        assert!(!memory.has(1, 0x1_0000) && !memory.has(0x1_ffff, 2));
        assert!(!memory.has(u64::MAX, 1) && !memory.has(u64::MAX - 3, 8));
        assert_eq!(memory.guest_address(0x5000_0010, 0xfff0), Some(0x10));
        assert_eq!(memory.guest_address(0x5001_0010, 4), Some(0x2_0010));
        assert_eq!(memory.guest_address(0x5000_0010, 0xfff1), None);
        assert_eq!(memory.guest_address(0x4fff_ffff, 4), None);
        assert_eq!(memory.guest_address(u64::MAX, u64::MAX), None);
        assert_eq!(memory.write(0xffff, &[1, 2]), Err(Outside));
    }
}
