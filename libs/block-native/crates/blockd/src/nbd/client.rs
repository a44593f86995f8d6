//! The client's side of the handshake.

use std::io::{self, Read, Write};

use purlin_block_core::buffer::BLOCK_BYTES;

use super::protocol::{option, option_reply, property};

/// A server that haggles longer is none.
const REPLIES_MAX: usize = 64;
const REPLY_BYTES_MAX: u32 = 64 << 10;

/// The fixed newstyle handshake up to transmission: size and flags of the export.
///
/// # Errors
/// The server refuses the export, speaks something else, or the connection ends.
pub fn negotiate<C: Read + Write>(connection: &mut C, export: &str) -> io::Result<(u64, u16)> {
    const FIXED_NO_ZEROES: u16 = 3;
    let mut greeting = [0; 18];
    connection.read_exact(&mut greeting)?;
    let flags = u16::from_be_bytes([greeting[16], greeting[17]]);
    if greeting[..16] != *b"NBDMAGICIHAVEOPT" || flags & FIXED_NO_ZEROES != FIXED_NO_ZEROES {
        return Err(io::Error::other("it does not speak NBD's fixed newstyle handshake"));
    }
    let name = export.as_bytes();
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let mut option = u32::from(FIXED_NO_ZEROES).to_be_bytes().to_vec();
    option.extend(b"IHAVEOPT");
    option.extend(option::GO.to_be_bytes());
    option.extend(length.saturating_add(6).to_be_bytes());
    option.extend(length.to_be_bytes());
    option.extend(name);
    option.extend([0, 0]);
    connection.write_all(&option)?;
    let mut found = None;
    for _ in 0..REPLIES_MAX {
        let mut head = [0; 20];
        connection.read_exact(&mut head)?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (kind, length) = (word(12), word(16));
        if length > REPLY_BYTES_MAX {
            break;
        }
        let mut body = vec![0; length as usize];
        connection.read_exact(&mut body)?;
        let about = body.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        match (kind, about, found) {
            (option_reply::ACK, _, Some(found)) => return Ok(found),
            (option_reply::DESCRIPTION, Some(property::EXPORT), _) if body.len() == 12 => {
                let mut size = [0; 8];
                size.copy_from_slice(&body[2..10]);
                found = Some((u64::from_be_bytes(size), u16::from_be_bytes([body[10], body[11]])));
            }
            (option_reply::DESCRIPTION, Some(property::BLOCK_SIZE), _) if body.len() == 14 => {
                let least = u32::from_be_bytes([body[2], body[3], body[4], body[5]]);
                if least as usize > BLOCK_BYTES {
                    let message = format!("its smallest request is {least} bytes, more than 4096");
                    return Err(io::Error::other(message));
                }
            }
            (option_reply::DESCRIPTION, ..) => {}
            _ => {
                let said = String::from_utf8_lossy(&body).into_owned();
                let message = format!("it refuses the export {export:?}: {said}");
                return Err(io::Error::other(message));
            }
        }
    }
    Err(io::Error::other("it did not come to an end with the handshake"))
}
