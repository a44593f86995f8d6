//! The name of a cache: a UUID in its usual text form.

use std::fmt;
use std::str::FromStr;

/// The UUID of a cache (RFC 9562), bytes in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheId(pub [u8; 16]);

/// The text is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no cache id: a UUID such as 00112233-4455-6677-8899-aabbccddeeff is needed")]
pub struct CacheIdError {
    /// What was given.
    pub text: String,
}

/// Bytes before which the text has a hyphen.
const HYPHENS_BEFORE: [usize; 4] = [4, 6, 8, 10];

impl fmt::Display for CacheId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if HYPHENS_BEFORE.contains(&i) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for CacheId {
    type Err = CacheIdError;

    /// Reads the 36-character form; digits may be of either case.
    fn from_str(text: &str) -> Result<Self, CacheIdError> {
        parse(text).ok_or_else(|| CacheIdError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<CacheId> {
    let mut rest = text.as_bytes();
    let mut bytes = [0; 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        if HYPHENS_BEFORE.contains(&i) {
            rest = rest.strip_prefix(b"-")?;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        rest = after;
    }
    rest.is_empty().then_some(CacheId(bytes))
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_survives_text_and_back() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let id: CacheId = text.to_uppercase().parse().unwrap();
        assert_eq!(id.0[..3], [0x00, 0x11, 0x22]);
        assert_eq!(id.to_string(), text);
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeeff0",
            "001122334455-6677-8899-aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeefg",
            "00112233-4455-6677-8899-aabbccddeé",
        ] {
            assert_eq!(text.parse::<CacheId>(), Err(CacheIdError { text: text.to_owned() }));
        }
    }
}
