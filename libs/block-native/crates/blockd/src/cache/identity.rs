//! The names by which a cache knows itself and its slow disk.

use std::io;

use purlin_cache_core::CacheId;
use rustix::rand::{GetRandomFlags, getrandom};

/// Random bytes.
///
/// # Errors
/// What the kernel says.
pub fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    // So few bytes are never given in part (getrandom(2)).
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(bytes)
}

/// A new cache's name, a UUID of random bytes.
///
/// # Errors
/// What the kernel says.
pub fn new_cache_id() -> io::Result<String> {
    let mut bytes: [u8; 16] = random()?;
    // RFC 9562, version 4.
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(CacheId(bytes).to_string())
}

/// A new name of a slow disk.
///
/// # Errors
/// What the kernel says.
pub fn new_origin_id() -> io::Result<String> {
    Ok(format!("{:032x}", u128::from_be_bytes(random()?)))
}

/// The name of a slow disk from its text.
#[must_use]
pub fn origin_id(text: &str) -> Option<[u8; 16]> {
    (text.len() == 32).then_some(())?;
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
