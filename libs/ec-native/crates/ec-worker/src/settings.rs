//! What the environment says.

use purlin_ec_core::{Codec, EcError, Store, Technique};

/// How the worker codes. The kernel is chosen by the core itself.
pub struct Settings {
    technique: Option<Technique>,
    store: Store,
}

impl Settings {
    /// Reads `PURLIN_EC_TECHNIQUE` and `PURLIN_EC_STORE`; what is not set or empty is the default.
    pub fn from_environment() -> Result<Self, String> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let technique = read("PURLIN_EC_TECHNIQUE")
            .map(|name| name.parse().map_err(|error: EcError| error.to_string()))
            .transpose()?;
        let store = match read("PURLIN_EC_STORE").as_deref() {
            None | Some("cached") => Store::Cached,
            Some("stream") => Store::Stream,
            Some(other) => return Err(format!("PURLIN_EC_STORE={other}: cached or stream")),
        };
        Ok(Self { technique, store })
    }

    /// The codec of `k` data and `m` parity shards.
    pub fn codec(&self, k: usize, m: usize) -> Result<Codec, EcError> {
        let technique = self.technique.unwrap_or_else(|| Technique::default_for(k, m));
        Ok(Codec::new(k, m, technique)?.with_store(self.store))
    }
}
