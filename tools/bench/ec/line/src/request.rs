//! What a line asks for.

use std::fmt;
use std::str::FromStr;

/// The most shards a stripe can have.
const SHARDS_MAX: usize = 256;

/// A line `OP K M SIZE STRIPES MS`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The operation, such as `enc`.
    pub op: String,
    /// Data shards of a stripe.
    pub k: usize,
    /// Parity shards of a stripe.
    pub m: usize,
    /// Bytes of a shard.
    pub size: usize,
    /// Stripes that are worked on in turn: 1 is the hot case.
    pub stripes: usize,
    /// Milliseconds of CPU time to spend.
    pub ms: f64,
}

/// A line that is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest(String);

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a request (OP K M SIZE STRIPES MS): {}", self.0)
    }
}

impl std::error::Error for BadRequest {}

impl FromStr for Request {
    type Err = BadRequest;

    fn from_str(line: &str) -> Result<Self, BadRequest> {
        let bad = || BadRequest(line.to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        let [op, k, m, size, stripes, ms] = words[..] else { return Err(bad()) };
        let count = |word: &str| word.parse().ok().filter(|&n: &usize| n > 0).ok_or_else(bad);
        let ms = ms.parse().ok().filter(|ms: &f64| ms.is_finite()).ok_or_else(bad)?;
        let (k, m, size, stripes) = (count(k)?, count(m)?, count(size)?, count(stripes)?);
        let request = Self { op: op.to_owned(), k, m, size, stripes, ms };
        let fits = k.checked_add(m).is_some_and(|shards| shards <= SHARDS_MAX);
        let arena = size.checked_mul(2 * SHARDS_MAX).and_then(|bytes| bytes.checked_mul(stripes));
        if fits && arena.is_some() { Ok(request) } else { Err(bad()) }
    }
}

impl Request {
    /// Bytes of a stripe: k data, m parity and k spare shards.
    #[must_use]
    pub fn stripe_bytes(&self) -> usize {
        (2 * self.k + self.m) * self.size
    }

    /// How many data shards are lost: one for `rep`, else as many as can be, the first ones.
    #[must_use]
    pub fn lost(&self) -> usize {
        if self.op == "rep" { 1 } else { self.k.min(self.m) }
    }

    /// The bytes that count for one call: the data of a stripe; for `upd` the one shard.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        if self.op == "upd" { self.size } else { self.k * self.size }
    }

    /// Whether the arena of `other` serves this request too: a ring of many stripes is filled once.
    /// A single stripe is placed anew each time, for how its pages happen to fall into the caches
    /// is luck, which rounds must not share.
    #[must_use]
    pub fn shares_arena(&self, other: &Self) -> bool {
        self.stripes > 1
            && (self.k, self.m, self.size, self.stripes)
                == (other.k, other.m, other.size, other.stripes)
    }
}
