//! The numbers of the NBD protocol (its `proto.md`, "Values"), and nothing else.

/// `NBDMAGIC`, the first eight bytes a server sends.
pub const GREETING_MAGIC: u64 = 0x4e42_444d_4147_4943;
/// `IHAVEOPT`: the second eight, and the head of every option.
pub const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
/// The head of every reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// The head of a request in the transmission phase.
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// The head of a simple reply.
pub const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// The head of a chunk of a structured reply.
pub const CHUNK_MAGIC: u32 = 0x668e_33ef;

/// Fixed newstyle, as handshake flag of both sides.
pub const FLAG_FIXED_NEWSTYLE: u16 = 1;
/// No 124 zero bytes after an export name, as handshake flag of both sides.
pub const FLAG_NO_ZEROES: u16 = 2;

/// Options a client sends while it haggles.
pub mod option {
    /// Enter transmission by an export's name, without an answer when that fails.
    pub const EXPORT_NAME: u32 = 1;
    /// End the session.
    pub const ABORT: u32 = 2;
    /// Name all exports.
    pub const LIST: u32 = 3;
    /// Go on over TLS.
    pub const STARTTLS: u32 = 5;
    /// Describe an export.
    pub const DESCRIBE: u32 = 6;
    /// Describe an export and enter transmission.
    pub const GO: u32 = 7;
    /// Ask for structured replies.
    pub const STRUCTURED_REPLY: u32 = 8;
    /// Name the metadata contexts of an export.
    pub const LIST_META_CONTEXT: u32 = 9;
    /// Choose metadata contexts.
    pub const SET_META_CONTEXT: u32 = 10;
}

/// Types of replies to options.
pub mod option_reply {
    /// Done.
    pub const ACK: u32 = 1;
    /// The name of an export.
    pub const SERVER: u32 = 2;
    /// A property of an export.
    pub const DESCRIPTION: u32 = 3;
    /// A metadata context.
    pub const META_CONTEXT: u32 = 4;
    /// The option is not known.
    pub const UNSUPPORTED: u32 = 0x8000_0001;
    /// The server's policy forbids it.
    pub const POLICY: u32 = 0x8000_0002;
    /// The option is malformed.
    pub const INVALID: u32 = 0x8000_0003;
    /// TLS must be started first.
    pub const TLS_REQUIRED: u32 = 0x8000_0005;
    /// There is no such export.
    pub const UNKNOWN: u32 = 0x8000_0006;
    /// The option is too long.
    pub const TOO_BIG: u32 = 0x8000_0009;
}

/// Properties of an export.
pub mod property {
    /// Size and transmission flags.
    pub const EXPORT: u16 = 0;
    /// The export's name.
    pub const NAME: u16 = 1;
    /// A text for people.
    pub const DESCRIPTION: u16 = 2;
    /// Least, preferred and greatest length of a request.
    pub const BLOCK_SIZE: u16 = 3;
}

/// Transmission flags of an export.
pub mod export_flag {
    /// The field is meant.
    pub const HAS_FLAGS: u16 = 1;
    /// Writes are refused.
    pub const READ_ONLY: u16 = 1 << 1;
    /// FLUSH is understood.
    pub const FLUSH: u16 = 1 << 2;
    /// FUA is understood.
    pub const FUA: u16 = 1 << 3;
    /// TRIM is understood.
    pub const TRIM: u16 = 1 << 5;
    /// `WRITE_ZEROES` is understood.
    pub const WRITE_ZEROES: u16 = 1 << 6;
    /// Reads are answered in one chunk when asked.
    pub const DONT_FRAGMENT: u16 = 1 << 7;
    /// A flush on one connection covers all of them.
    pub const MULTI_CONNECTION: u16 = 1 << 8;
}

/// Types of requests.
pub mod command {
    /// Read.
    pub const READ: u16 = 0;
    /// Write; the bytes follow the head.
    pub const WRITE: u16 = 1;
    /// End the session once all is answered.
    pub const DISCONNECT: u16 = 2;
    /// Make every completed write durable.
    pub const FLUSH: u16 = 3;
    /// Give space back.
    pub const TRIM: u16 = 4;
    /// Write zeroes.
    pub const WRITE_ZEROES: u16 = 6;
    /// Tell the extents of metadata contexts.
    pub const BLOCK_STATUS: u16 = 7;
}

/// Flags of requests.
pub mod command_flag {
    /// The write is durable when it is answered.
    pub const FUA: u16 = 1;
    /// Zeroes must take space.
    pub const NO_HOLE: u16 = 1 << 1;
    /// The read is answered in one chunk.
    pub const DONT_FRAGMENT: u16 = 1 << 2;
    /// One extent is enough.
    pub const REQUEST_ONE: u16 = 1 << 3;
}

/// Types of chunks of a structured reply.
pub mod chunk {
    /// The last chunk of a reply.
    pub const DONE: u16 = 1;
    /// Bytes read.
    pub const OFFSET_BYTES: u16 = 1;
    /// Extents of one metadata context.
    pub const BLOCK_STATUS: u16 = 5;
    /// An error.
    pub const ERROR: u16 = (1 << 15) + 1;
}

/// Errors a reply may carry; their numbers are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum NbdError {
    /// The export may only be read.
    NotPermitted = 1,
    /// The disks failed.
    Io = 5,
    /// There is no memory for the request.
    OutOfMemory = 12,
    /// The request makes no sense.
    Invalid = 22,
    /// A write past the end, or no space in the pool.
    NoSpace = 28,
    /// The request is not known.
    Unsupported = 95,
    /// The server is going away.
    ShuttingDown = 108,
}

/// The longest request: what a client may assume where it is told nothing.
pub const REQUEST_BYTES_MAX: u32 = 32 << 20;
/// The longest name of an export or of a metadata context.
pub const NAME_BYTES_MAX: usize = 4096;
