//! ICMP echo messages as a ping socket takes and gives them: without the IP header; the kernel
//! fills in identifier and checksum (RFC 792, RFC 4443).

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const HEADER_SIZE_BYTES: usize = 8;

/// An echo request that carries `payload`.
pub(crate) fn echo_request(is_v6: bool, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let kind = if is_v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST_V4 };
    let [high, low] = sequence.to_be_bytes();
    [&[kind, 0, 0, 0, 0, 0, high, low], payload].concat()
}

/// Whether `message` is an echo reply that brings `payload` back.
pub(crate) fn is_reply(is_v6: bool, message: &[u8], payload: &[u8]) -> bool {
    let kind = if is_v6 { ECHO_REPLY_V6 } else { ECHO_REPLY_V4 };
    message.first() == Some(&kind) && message.get(HEADER_SIZE_BYTES..) == Some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_kind_sequence_and_payload() {
        assert_eq!(echo_request(false, 0x0102, b"hi"), b"\x08\0\0\0\0\0\x01\x02hi");
        assert_eq!(echo_request(true, 3, b""), b"\x80\0\0\0\0\0\0\x03");
    }

    #[test]
    fn only_a_reply_with_the_same_payload_counts() {
        assert!(is_reply(false, b"\0\0\xab\xcd\0\x07\0\x01hi", b"hi"));
        assert!(is_reply(true, b"\x81\0\xab\xcd\0\x07\0\x01hi", b"hi"));
        assert!(!is_reply(false, b"\0\0\xab\xcd\0\x07\0\x01ho", b"hi"));
        assert!(!is_reply(false, b"\x08\0\xab\xcd\0\x07\0\x01hi", b"hi"));
        assert!(!is_reply(false, b"\0\0\0", b""));
    }
}
