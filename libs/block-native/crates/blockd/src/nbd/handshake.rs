//! The haggling of fixed newstyle as a state machine without sockets.
//!
//! Whoever drives it reads exactly [`Handshake::wanted_bytes`] bytes, gives them to
//! [`Handshake::take`] and does what the answer says, until transmission begins or the session
//! ends:
//!
//! ```text
//! greeting -> ClientFlags -> OptionHead -> OptionBody -> OptionHead ... -> Transmission
//!                                 |  STARTTLS: the driver wraps the socket, OptionHead again
//! ```
//!
//! Every length a client names is bounded before a byte of it is read; so is the number of options.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::exports::{Context, Export, Exports};
use super::protocol::{
    FLAG_FIXED_NEWSTYLE, FLAG_NO_ZEROES, GREETING_MAGIC, NAME_BYTES_MAX, OPTION_MAGIC,
    OPTION_REPLY_MAGIC, REQUEST_BYTES_MAX, export_flag, option, option_reply, property,
};

/// How many options a client may send before it must have entered transmission.
const OPTIONS_MAX: u32 = 64;
/// The longest option: many metadata queries.
const OPTION_BYTES_MAX: u32 = 64 << 10;
/// How many metadata contexts a connection may choose.
pub const CONTEXTS_MAX: usize = 16;

/// What a listener asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// There is no TLS here: a unix socket, guarded by its folder's mode.
    None,
    /// Nothing but STARTTLS is answered before TLS runs.
    Required,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The export as it was described.
    pub export: Export,
    /// Whether reads are answered in structured replies.
    pub structured: bool,
    /// The chosen contexts; the id of each is its place plus one.
    pub contexts: Vec<Context>,
}

/// What the driver does next, after it has sent the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    Continue,
    /// Wrap the socket in TLS, then read on.
    StartTls,
    /// The client may send requests.
    Transmission(Session),
    /// Close the connection.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ClientFlags,
    OptionHead,
    OptionBody { option: u32, length: u32 },
    Ended,
}

/// One connection's haggling.
pub struct Handshake {
    exports: Arc<dyn Exports>,
    tls: TlsPolicy,
    encrypted: bool,
    state: State,
    options: u32,
    no_zeroes: bool,
    structured: bool,
    /// The export the contexts were chosen for, by the name the client gave.
    chosen: Option<(String, Vec<Context>)>,
}

impl Handshake {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(exports: Arc<dyn Exports>, tls: TlsPolicy) -> Self {
        Self {
            exports,
            tls,
            encrypted: false,
            state: State::ClientFlags,
            options: 0,
            no_zeroes: false,
            structured: false,
            chosen: None,
        }
    }

    /// What the server says first.
    #[must_use]
    pub fn greeting() -> Vec<u8> {
        let mut bytes = Vec::with_capacity(18);
        bytes.extend(GREETING_MAGIC.to_be_bytes());
        bytes.extend(OPTION_MAGIC.to_be_bytes());
        bytes.extend((FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES).to_be_bytes());
        bytes
    }

    /// How many bytes [`Self::take`] needs next; never more than 64 KiB.
    #[must_use]
    pub fn wanted_bytes(&self) -> usize {
        match self.state {
            State::ClientFlags => 4,
            State::OptionHead => 16,
            State::OptionBody { length, .. } => length as usize,
            State::Ended => 0,
        }
    }

    /// Takes the next part of what the client sent, of [`Self::wanted_bytes`] bytes, and gives what
    /// to send and what to do then.
    pub fn take(&mut self, part: &[u8]) -> (Vec<u8>, Step) {
        let mut out = Vec::new();
        let step = if part.len() == self.wanted_bytes() {
            self.advance(part, &mut out)
        } else {
            Step::Close
        };
        if matches!(step, Step::Close | Step::Transmission(_)) {
            self.state = State::Ended;
        }
        (out, step)
    }

    fn advance(&mut self, part: &[u8], out: &mut Vec<u8>) -> Step {
        match self.state {
            State::ClientFlags => {
                let flags = read_u32(part, 0);
                let known = u32::from(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
                if flags & !known != 0 || flags & u32::from(FLAG_FIXED_NEWSTYLE) == 0 {
                    return Step::Close;
                }
                self.no_zeroes = flags & u32::from(FLAG_NO_ZEROES) != 0;
                self.state = State::OptionHead;
                Step::Continue
            }
            State::OptionHead => self.take_head(part, out),
            State::OptionBody { option, .. } => {
                self.state = State::OptionHead;
                self.take_option(option, part, out)
            }
            State::Ended => Step::Close,
        }
    }

    fn take_head(&mut self, head: &[u8], out: &mut Vec<u8>) -> Step {
        let magic = read_u64(head, 0);
        let (option, length) = (read_u32(head, 8), read_u32(head, 12));
        self.options += 1;
        if magic != OPTION_MAGIC || self.options > OPTIONS_MAX || length > OPTION_BYTES_MAX {
            return Step::Close;
        }
        if length == 0 {
            return self.take_option(option, &[], out);
        }
        self.state = State::OptionBody { option, length };
        Step::Continue
    }

    fn take_option(&mut self, option: u32, body: &[u8], out: &mut Vec<u8>) -> Step {
        let locked = self.tls == TlsPolicy::Required && !self.encrypted;
        match option {
            option::ABORT => {
                reply(out, option, option_reply::ACK, &[]);
                return Step::Close;
            }
            option::STARTTLS => return self.start_tls(body, out),
            option::EXPORT_NAME if locked => return Step::Close,
            _ if locked => reply(out, option, option_reply::TLS_REQUIRED, &[]),
            option::EXPORT_NAME => return self.enter_by_name(body, out),
            option::LIST => self.list(body, out),
            option::DESCRIBE | option::GO => return self.describe(option, body, out),
            option::STRUCTURED_REPLY if body.is_empty() => {
                self.structured = true;
                reply(out, option, option_reply::ACK, &[]);
            }
            option::STRUCTURED_REPLY => reply(out, option, option_reply::INVALID, &[]),
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => {
                self.contexts(option, body, out);
            }
            _ => reply(out, option, option_reply::UNSUPPORTED, &[]),
        }
        Step::Continue
    }

    fn start_tls(&mut self, body: &[u8], out: &mut Vec<u8>) -> Step {
        let answer = match self.tls {
            _ if self.encrypted || !body.is_empty() => option_reply::INVALID,
            TlsPolicy::None => option_reply::POLICY,
            TlsPolicy::Required => option_reply::ACK,
        };
        reply(out, option::STARTTLS, answer, &[]);
        if answer != option_reply::ACK {
            return Step::Continue;
        }
        // What was agreed in the clear may have been another's words (proto.md, STARTTLS).
        self.structured = false;
        self.chosen = None;
        self.encrypted = true;
        Step::StartTls
    }

    fn enter_by_name(&mut self, body: &[u8], out: &mut Vec<u8>) -> Step {
        let Some((name, export)) = self.find(body) else { return Step::Close };
        out.extend(export.size_bytes.to_be_bytes());
        out.extend(flags_of(&export, self.structured).to_be_bytes());
        if !self.no_zeroes {
            out.resize(out.len() + 124, 0);
        }
        Step::Transmission(self.session(&name, export))
    }

    fn list(&self, body: &[u8], out: &mut Vec<u8>) {
        if !body.is_empty() {
            return reply(out, option::LIST, option_reply::INVALID, &[]);
        }
        for name in self.exports.names() {
            let mut entry = length_of(&name).to_be_bytes().to_vec();
            entry.extend(name.as_bytes());
            reply(out, option::LIST, option_reply::SERVER, &entry);
        }
        reply(out, option::LIST, option_reply::ACK, &[]);
    }

    fn describe(&mut self, option: u32, body: &[u8], out: &mut Vec<u8>) -> Step {
        let Some((name, asked)) = parse_describe(body) else {
            reply(out, option, option_reply::INVALID, &[]);
            return Step::Continue;
        };
        let Some((name, export)) = self.find(name) else {
            reply(out, option, option_reply::UNKNOWN, b"there is no export of this name");
            return Step::Continue;
        };
        let mut tell = |kind: u16, bytes: &[u8]| {
            let mut body = kind.to_be_bytes().to_vec();
            body.extend(bytes);
            reply(out, option, option_reply::DESCRIPTION, &body);
        };
        let mut basics = export.size_bytes.to_be_bytes().to_vec();
        basics.extend(flags_of(&export, self.structured).to_be_bytes());
        tell(property::EXPORT, &basics);
        if asked.contains(&property::NAME) {
            tell(property::NAME, export.volume.as_bytes());
        }
        if asked.contains(&property::DESCRIPTION) {
            tell(property::DESCRIPTION, format!("Purlin volume {}", export.volume).as_bytes());
        }
        let sizes = [export.block_bytes, export.preferred_bytes, REQUEST_BYTES_MAX];
        tell(property::BLOCK_SIZE, &sizes.map(u32::to_be_bytes).concat());
        reply(out, option, option_reply::ACK, &[]);
        if option == option::DESCRIBE {
            return Step::Continue;
        }
        Step::Transmission(self.session(&name, export))
    }

    fn contexts(&mut self, option: u32, body: &[u8], out: &mut Vec<u8>) {
        let choosing = option == option::SET_META_CONTEXT;
        if choosing {
            self.chosen = None;
        }
        let Some((name, queries)) = parse_contexts(body) else {
            return reply(out, option, option_reply::INVALID, &[]);
        };
        if !self.structured {
            return reply(out, option, option_reply::INVALID, b"ask for structured replies first");
        }
        let Some((name, export)) = self.find(name) else {
            return reply(out, option, option_reply::UNKNOWN, &[]);
        };
        let mut found: Vec<Context> = Vec::new();
        if queries.is_empty() && !choosing {
            found = export.contexts(None);
        }
        for query in queries {
            // A namespace may be listed, but only a context itself can be chosen.
            if choosing && query.ends_with(':') {
                continue;
            }
            for context in export.contexts(Some(query)) {
                if !found.contains(&context) {
                    found.push(context);
                }
            }
        }
        found.truncate(if choosing { CONTEXTS_MAX } else { usize::MAX });
        for (id, context) in (1u32..).zip(&found) {
            let mut entry = if choosing { id } else { 0 }.to_be_bytes().to_vec();
            entry.extend(context.name().as_bytes());
            reply(out, option, option_reply::META_CONTEXT, &entry);
        }
        reply(out, option, option_reply::ACK, &[]);
        if choosing {
            self.chosen = Some((name, found));
        }
    }

    fn find(&self, name: &[u8]) -> Option<(String, Export)> {
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES_MAX)?;
        Some((name.to_owned(), self.exports.find(name)?))
    }

    fn session(&mut self, name: &str, export: Export) -> Session {
        let contexts =
            self.chosen.take().filter(|(of, _)| of == name).map_or_else(Vec::new, |(_, all)| all);
        Session { export, structured: self.structured, contexts }
    }
}

fn flags_of(export: &Export, structured: bool) -> u16 {
    let mut flags = export_flag::HAS_FLAGS | export_flag::FLUSH | export_flag::MULTI_CONNECTION;
    flags |= if export.read_only {
        export_flag::READ_ONLY
    } else {
        export_flag::FUA | export_flag::TRIM | export_flag::WRITE_ZEROES
    };
    if structured { flags | export_flag::DONT_FRAGMENT } else { flags }
}

fn reply(out: &mut Vec<u8>, option: u32, kind: u32, body: &[u8]) {
    out.extend(OPTION_REPLY_MAGIC.to_be_bytes());
    out.extend(option.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(body);
}

fn length_of(name: &str) -> u32 {
    u32::try_from(name.len()).unwrap_or(u32::MAX)
}

/// `length, name, count, count times a property`.
fn parse_describe(body: &[u8]) -> Option<(&[u8], Vec<u16>)> {
    let (name, rest) = split_name(body)?;
    let (count, rest) = rest.split_first_chunk::<2>()?;
    if rest.len() != usize::from(u16::from_be_bytes(*count)) * 2 {
        return None;
    }
    Some((name, rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()))
}

/// `length, name, count, count times (length, query)`.
fn parse_contexts(body: &[u8]) -> Option<(&[u8], Vec<&str>)> {
    let (name, rest) = split_name(body)?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut queries = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (query, left) = split_name(rest)?;
        queries.push(std::str::from_utf8(query).ok()?);
        rest = left;
    }
    rest.is_empty().then_some((name, queries))
}

fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length <= NAME_BYTES_MAX).then(|| rest.split_at_checked(length)).flatten()
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(0, u32::from_be_bytes)
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().copied().map_or(0, u64::from_be_bytes)
}
