//! Words of the hardware's own: printable, bounded, never trusted.

const LENGTH_MAX: usize = 256;

/// The text as the report takes it: one line without control characters, of at most 256 UTF-16
/// units, without white space at its ends; `None` when nothing is left.
#[must_use]
pub fn word(text: &str) -> Option<String> {
    let mut kept = String::new();
    let mut length = 0;
    for letter in text.trim().chars() {
        let letter = if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            ' '
        } else {
            letter
        };
        length += letter.len_utf16();
        if length > LENGTH_MAX {
            break;
        }
        kept.push(letter);
    }
    let kept = kept.trim();
    if kept.is_empty() { None } else { Some(kept.to_owned()) }
}

/// [`word`] of bytes that may be of any encoding.
#[must_use]
pub fn word_of_bytes(bytes: &[u8]) -> Option<String> {
    word(String::from_utf8_lossy(bytes).trim_end_matches('\0'))
}

#[cfg(test)]
mod tests {
    use super::{word, word_of_bytes};

    #[test]
    fn control_characters_and_line_separators_become_spaces() {
        assert_eq!(word("  a\tb\n\u{2028}c\u{1b}  ").as_deref(), Some("a b  c"));
    }

    #[test]
    fn what_holds_nothing_printable_is_no_word() {
        assert_eq!(word(" \u{7}\n "), None);
        assert_eq!(word_of_bytes(&[0, 0]), None);
    }

    #[test]
    fn a_word_ends_after_256_units_of_utf16() {
        let long = "\u{1f600}".repeat(200);
        assert_eq!(word(&long).map(|kept| kept.encode_utf16().count()), Some(256));
    }
}
