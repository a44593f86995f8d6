//! The words of vhost-user, as QEMU's `docs/interop/vhost-user.rst` has them. Numbers are in the
//! host's own order, which is little-endian wherever this daemon runs.

/// The length of a message's head.
pub const HEAD_BYTES: usize = 12;
/// The longest payload of a message that is understood here; a table of memory has 264 bytes, a
/// configuration 268.
pub const PAYLOAD_BYTES_MAX: usize = 1024;
/// Descriptors of one message: a table of memory has the most.
pub const DESCRIPTORS_MAX: usize = 8;
/// Queues of a device, as many as a guest may have processors for them.
pub const QUEUES_MAX: u16 = 64;
/// Places of a queue.
pub const QUEUE_SIZE_MAX: u16 = 1024;

/// The version in a message's flags.
pub const VERSION: u32 = 1;
/// The message is an answer.
pub const REPLY: u32 = 1 << 2;
/// The front end waits for a word of success.
pub const NEED_REPLY: u32 = 1 << 3;

/// What the daemon tells the front end on the channel it was given: read the configuration again.
pub const CONFIG_CHANGED: u32 = 2;

/// Bits of the device's features.
pub mod feature {
    /// `seg_max` holds.
    pub const SEGMENTS_MAX: u64 = 1 << 2;
    /// `blk_size` holds.
    pub const BLOCK_SIZE: u64 = 1 << 6;
    /// The device takes a flush; without it every write is durable when it is answered.
    pub const FLUSH: u64 = 1 << 9;
    /// `topology` holds.
    pub const TOPOLOGY: u64 = 1 << 10;
    /// There are several queues.
    pub const QUEUES: u64 = 1 << 12;
    /// The device gives space back.
    pub const DISCARD: u64 = 1 << 13;
    /// The device writes zeroes by itself.
    pub const WRITE_ZEROES: u64 = 1 << 14;
    /// A descriptor may name a table of descriptors.
    pub const INDIRECT: u64 = 1 << 28;
    /// Each side says from where on it wants to be woken.
    pub const EVENT_INDEX: u64 = 1 << 29;
    /// The protocol has features of its own.
    pub const PROTOCOL: u64 = 1 << 30;
    /// The layout of version 1.
    pub const VERSION_1: u64 = 1 << 32;
    /// What this device offers.
    pub const OFFERED: u64 = SEGMENTS_MAX
        | BLOCK_SIZE
        | FLUSH
        | TOPOLOGY
        | QUEUES
        | DISCARD
        | WRITE_ZEROES
        | INDIRECT
        | EVENT_INDEX
        | PROTOCOL
        | VERSION_1;
}

/// Bits of the protocol's own features.
pub mod protocol_feature {
    /// The number of queues can be asked.
    pub const QUEUES: u64 = 1 << 0;
    /// Every message can be answered.
    pub const REPLY_ACK: u64 = 1 << 3;
    /// The daemon gets a channel for words of its own.
    pub const BACKEND_CHANNEL: u64 = 1 << 5;
    /// The device's configuration comes from the daemon.
    pub const CONFIG: u64 = 1 << 9;
    /// What is in flight is noted in shared memory.
    pub const INFLIGHT: u64 = 1 << 12;
    /// What the daemon offers.
    pub const OFFERED: u64 = QUEUES | REPLY_ACK | BACKEND_CHANNEL | CONFIG | INFLIGHT;
}

/// What a front end asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Which features the device has.
    GetFeatures,
    /// Which of them the guest uses.
    SetFeatures,
    /// The front end is the owner.
    SetOwner,
    /// The front end is no owner any more: no queue is served. Others than QEMU still say this.
    ResetOwner,
    /// The memory of the guest.
    SetMemTable,
    /// How many places a queue has.
    SetVringNum,
    /// Where a queue lies.
    SetVringAddr,
    /// From which place on a queue is read.
    SetVringBase,
    /// Stop a queue and say where it is.
    GetVringBase,
    /// The counter that the guest wakes a queue with; a queue begins with it.
    SetVringKick,
    /// The counter that wakes the guest.
    SetVringCall,
    /// The counter that tells of a broken queue.
    SetVringErr,
    /// Which features of the protocol there are.
    GetProtocolFeatures,
    /// Which of them are used.
    SetProtocolFeatures,
    /// How many queues there may be.
    GetQueueNum,
    /// Serve a queue or let it rest.
    SetVringEnable,
    /// The channel for the daemon's own words.
    SetBackendRequest,
    /// The device's configuration.
    GetConfig,
    /// Change the device's configuration.
    SetConfig,
    /// Make memory in which is noted what is in flight.
    GetInflight,
    /// The memory in which is noted what is in flight.
    SetInflight,
}

impl Request {
    /// The request of a number.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::GetFeatures,
            2 => Self::SetFeatures,
            3 => Self::SetOwner,
            4 => Self::ResetOwner,
            5 => Self::SetMemTable,
            8 => Self::SetVringNum,
            9 => Self::SetVringAddr,
            10 => Self::SetVringBase,
            11 => Self::GetVringBase,
            12 => Self::SetVringKick,
            13 => Self::SetVringCall,
            14 => Self::SetVringErr,
            15 => Self::GetProtocolFeatures,
            16 => Self::SetProtocolFeatures,
            17 => Self::GetQueueNum,
            18 => Self::SetVringEnable,
            21 => Self::SetBackendRequest,
            24 => Self::GetConfig,
            25 => Self::SetConfig,
            31 => Self::GetInflight,
            32 => Self::SetInflight,
            _ => return None,
        })
    }
}

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// A number of [`Request`].
    pub request: u32,
    /// [`VERSION`] with [`REPLY`] and [`NEED_REPLY`].
    pub flags: u32,
    /// Bytes that follow.
    pub payload_bytes: u32,
}

impl Head {
    /// Reads a head.
    #[must_use]
    pub fn parse(bytes: &[u8; HEAD_BYTES]) -> Self {
        let payload = Payload(bytes);
        let word = |at| payload.four(at).unwrap_or_default();
        Self { request: word(0), flags: word(4), payload_bytes: word(8) }
    }

    /// The head as it is sent.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&self.request.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes
    }
}

/// A payload, to be read by places.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a>(pub &'a [u8]);

impl Payload<'_> {
    /// Two bytes as a number.
    #[must_use]
    pub fn two(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    /// Four bytes as a number.
    #[must_use]
    pub fn four(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    /// Eight bytes as a number.
    #[must_use]
    pub fn eight(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}
