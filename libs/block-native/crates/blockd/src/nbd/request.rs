//! Requests of the transmission phase: read from 28 bytes, checked against the export.

use super::protocol::{NbdError, REQUEST_BYTES_MAX, REQUEST_MAGIC, command, command_flag};

/// The length of a request's head.
pub const HEAD_BYTES: usize = 28;

/// The head of a request as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// Flags of [`command_flag`].
    pub flags: u16,
    /// A number of [`command`].
    pub kind: u16,
    /// What the client knows the request by.
    pub cookie: u64,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u32,
}

/// A client that does not speak the protocol; its connection can only be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadClient {
    /// Where a request had to begin stood something else.
    #[error("the client sent something that is no request")]
    Magic,
    /// A write is longer than any may be, so that what follows it cannot be found.
    #[error("the client sent a write of {length} bytes where {REQUEST_BYTES_MAX} are the most")]
    TooLong {
        /// The length it named.
        length: u32,
    },
}

/// What an export allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The export's length.
    pub size_bytes: u64,
    /// What offsets and lengths must be a multiple of.
    pub block_bytes: u32,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Whether metadata contexts were chosen.
    pub contexts: bool,
}

impl RequestHead {
    /// Reads a head.
    ///
    /// # Errors
    /// [`BadClient`].
    pub fn parse(bytes: &[u8; HEAD_BYTES]) -> Result<Self, BadClient> {
        let two = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let four = |at: usize| u32::from(two(at)) << 16 | u32::from(two(at + 2));
        let eight = |at: usize| u64::from(four(at)) << 32 | u64::from(four(at + 4));
        if four(0) != REQUEST_MAGIC {
            return Err(BadClient::Magic);
        }
        let head = Self {
            flags: two(4),
            kind: two(6),
            cookie: eight(8),
            offset: eight(16),
            length: four(24),
        };
        if head.payload_bytes() > REQUEST_BYTES_MAX {
            return Err(BadClient::TooLong { length: head.length });
        }
        Ok(head)
    }

    /// Appends the head as a client sends it.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend(REQUEST_MAGIC.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        out.extend(self.kind.to_be_bytes());
        out.extend(self.cookie.to_be_bytes());
        out.extend(self.offset.to_be_bytes());
        out.extend(self.length.to_be_bytes());
    }

    /// How many bytes follow the head.
    #[must_use]
    pub fn payload_bytes(&self) -> u32 {
        if self.kind == command::WRITE { self.length } else { 0 }
    }

    /// Whether the request may go to the engine.
    ///
    /// # Errors
    /// What to answer instead.
    pub fn check(&self, limits: &Limits) -> Result<(), NbdError> {
        let allowed = match self.kind {
            command::READ => command_flag::DONT_FRAGMENT | command_flag::FUA,
            command::WRITE | command::TRIM | command::FLUSH => command_flag::FUA,
            command::WRITE_ZEROES => command_flag::FUA | command_flag::NO_HOLE,
            command::BLOCK_STATUS => command_flag::REQUEST_ONE | command_flag::FUA,
            _ => return Err(NbdError::Invalid),
        };
        if self.flags & !allowed != 0 {
            return Err(NbdError::Invalid);
        }
        let writes = matches!(self.kind, command::WRITE | command::TRIM | command::WRITE_ZEROES);
        if writes && limits.read_only {
            return Err(NbdError::NotPermitted);
        }
        if self.kind == command::FLUSH {
            let plain = self.offset == 0 && self.length == 0;
            return if plain { Ok(()) } else { Err(NbdError::Invalid) };
        }
        if self.kind == command::BLOCK_STATUS && !limits.contexts {
            return Err(NbdError::Invalid);
        }
        self.check_range(limits, writes)
    }

    fn check_range(&self, limits: &Limits, writes: bool) -> Result<(), NbdError> {
        let block = u64::from(limits.block_bytes.max(1));
        let aligned =
            self.offset.is_multiple_of(block) && u64::from(self.length).is_multiple_of(block);
        let carries = matches!(self.kind, command::READ | command::WRITE);
        if self.length == 0 || !aligned || carries && self.length > REQUEST_BYTES_MAX {
            return Err(NbdError::Invalid);
        }
        let end = self.offset.checked_add(u64::from(self.length));
        match end {
            Some(end) if end <= limits.size_bytes => Ok(()),
            _ if writes => Err(NbdError::NoSpace),
            _ => Err(NbdError::Invalid),
        }
    }
}
