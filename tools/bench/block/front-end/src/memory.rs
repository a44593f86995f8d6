//! Memory that is shared with the server, as a guest's is.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

/// A memfd that cannot shrink, mapped for as long as the process lasts. Addresses are bytes from
/// its beginning, which are those of the guest too.
pub struct Memory {
    pub file: OwnedFd,
    pub bytes: u64,
    base: NonNull<u8>,
}

impl Memory {
    /// Makes memory of so many bytes, all zero.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, bytes as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice touches no other, and it is never
        // taken away.
        let base = unsafe { mmap(ptr::null_mut(), bytes, rights, MapFlags::SHARED, &file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { file, bytes: bytes as u64, base })
    }

    /// The place of an address in this process, by which the server is told where queues lie.
    pub fn here(&self, address: u64) -> u64 {
        self.base.as_ptr() as u64 + address
    }

    fn at(&self, address: u64, bytes: usize) -> *mut u8 {
        assert!(address + bytes as u64 <= self.bytes, "{address} is outside");
        // SAFETY: it was just seen to be inside of the mapping.
        unsafe { self.base.as_ptr().add(usize::try_from(address).unwrap_or(usize::MAX)) }
    }

    /// Puts bytes at an address. The server does not touch them meanwhile: they are of a request
    /// that it was not given yet.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        let to = self.at(address, bytes.len());
        // SAFETY: there are so many bytes from there on, and `bytes` is none of the mapping's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Takes bytes from an address that the server has answered about.
    pub fn read<const BYTES: usize>(&self, address: u64) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let from = self.at(address, BYTES);
        // SAFETY: there are so many bytes from there on, and `bytes` is none of the mapping's.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), BYTES) };
        bytes
    }

    #[allow(clippy::cast_ptr_alignment, reason = "the alignment is seen to")]
    fn shared(&self, address: u64) -> &AtomicU16 {
        let at = self.at(address, 2).cast::<AtomicU16>();
        assert!(at.is_aligned(), "an index lies at an even address");
        // SAFETY: it is inside of the mapping, which lasts as long as the process, and aligned;
        // both sides use it by atomic operations alone.
        unsafe { &*at }
    }

    pub fn load(&self, address: u64) -> u16 {
        self.shared(address).load(Ordering::SeqCst)
    }

    pub fn store(&self, address: u64, value: u16) {
        self.shared(address).store(value, Ordering::SeqCst);
    }
}
