//! Where an NBD server is: `nbd+unix:///EXPORT?socket=PATH` or `nbd://HOST[:PORT]/EXPORT`.
//!
//! Source: the NBD project's `doc/uri.md`.

use std::path::PathBuf;

/// The port of the protocol (IANA).
const PORT: u16 = 10809;

/// A server and one of its exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NbdAddress {
    /// How the server is reached.
    pub server: Server,
    /// The export; empty is the default.
    pub export: String,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// By a unix socket.
    Unix(PathBuf),
    /// By TCP, without TLS.
    Tcp(String, u16),
}

/// Whether a text is meant as an address and not as a path.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.starts_with("nbd:") || text.starts_with("nbd+") || text.starts_with("nbds")
}

/// Reads an address.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<NbdAddress, String> {
    let bad = |why: &str| {
        format!("{text}: {why}; write nbd+unix:///EXPORT?socket=PATH or nbd://HOST[:PORT]/EXPORT")
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no ://"))?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, export) = place.split_once('/').unwrap_or((place, ""));
    let export = decode(export).ok_or_else(|| bad("a % in it is followed by no number"))?;
    match scheme {
        "nbd+unix" => {
            let socket = query.split('&').find_map(|pair| pair.strip_prefix("socket="));
            let socket = socket.and_then(decode).filter(|socket| !socket.is_empty());
            let socket = socket.ok_or_else(|| bad("it names no socket"))?;
            Ok(NbdAddress { server: Server::Unix(socket.into()), export })
        }
        "nbd" => {
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => {
                    (host, port.parse().map_err(|_| bad("its port is no number"))?)
                }
                _ => (authority, PORT),
            };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if host.is_empty() {
                return Err(bad("it names no host"));
            }
            Ok(NbdAddress { server: Server::Tcp(host.to_owned(), port), export })
        }
        "nbds" | "nbds+unix" => Err(bad("TLS to the cached device is not spoken")),
        _ => Err(bad("its scheme is not NBD's")),
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_kinds_are_read() {
        let unix = |path: &str, export: &str| {
            Ok(NbdAddress { server: Server::Unix(path.into()), export: export.to_owned() })
        };
        let tcp = |host: &str, port, export: &str| {
            let server = Server::Tcp(host.to_owned(), port);
            Ok(NbdAddress { server, export: export.to_owned() })
        };
        assert_eq!(parse("nbd+unix:///?socket=/run/a%20b.sock"), unix("/run/a b.sock", ""));
        assert_eq!(parse("nbd+unix:///v?socket=x.sock"), unix("x.sock", "v"));
        assert_eq!(parse("nbd://host"), tcp("host", 10809, ""));
        assert_eq!(parse("nbd://host:99/disk%31"), tcp("host", 99, "disk1"));
        assert_eq!(parse("nbd://[::1]:99/"), tcp("::1", 99, ""));
        assert_eq!(parse("nbd://[::1]"), tcp("::1", 10809, ""));
    }

    #[test]
    fn what_is_no_address_is_refused_with_how_to_write_one() {
        for bad in ["nbd:x", "nbd+unix:///v", "nbd://", "nbd://h:x/", "nbds://h/", "nbd://h/%zz"] {
            assert!(parse(bad).is_err_and(|why| why.contains("nbd://HOST")), "{bad}");
        }
    }
}
