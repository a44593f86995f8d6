//! The agent's file, and the token beside it.
use crate::error::Failure;
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No file of the agent's own is longer.
const MAXIMUM_FILE_BYTES: u64 = 64 << 10;
const MAXIMUM_TOKEN_CHARACTERS: usize = 256;
const INTERVAL_SECONDS: std::ops::RangeInclusive<u64> = 5..=3600;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// To whom metrics are sent; absent: to nobody.
    pub push: Option<Push>,
    /// Where metrics can be asked for; absent: nowhere.
    pub scrape: Option<Scrape>,
}

/// To whom metrics are sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Push {
    /// `https://ADDRESS[:PORT]` of the deployment server.
    pub server: String,
    /// Certificates that vouch for the server, in PEM; nobody else is believed.
    pub authority: PathBuf,
    /// File that holds the token of this instance.
    pub token_file: PathBuf,
    /// Time between two pushes.
    #[serde(default = "fifteen")]
    pub interval_seconds: u64,
}

/// Where metrics can be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// An address of this machine alone.
    pub listen: SocketAddr,
}

fn fifteen() -> u64 {
    15
}

impl Push {
    /// Time between two pushes.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// Where pushes go.
    pub fn url(&self) -> String {
        format!("{}/metrics", self.server.trim_end_matches('/'))
    }
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// The file cannot be read or does not fit; the message says where.
pub fn read_configuration(path: &Path) -> Result<Configuration, Failure> {
    let text = read_bounded(path)?;
    parse(&text).map_err(|reason| Failure::Configuration { path: path.to_owned(), reason })
}

fn parse(text: &str) -> Result<Configuration, String> {
    let read: Configuration = toml::from_str(text).map_err(|error| error.to_string())?;
    if let Some(push) = &read.push {
        check_server(&push.server)?;
        if !INTERVAL_SECONDS.contains(&push.interval_seconds) {
            return Err(format!(
                "push.intervalSeconds is {}; it must be from {} to {}",
                push.interval_seconds,
                INTERVAL_SECONDS.start(),
                INTERVAL_SECONDS.end()
            ));
        }
    }
    match &read.scrape {
        Some(scrape) if !scrape.listen.ip().is_loopback() => Err(format!(
            "scrape.listen is {}; it must be an address of this machine alone, such as \
             127.0.0.1:9101",
            scrape.listen
        )),
        None if read.push.is_none() => {
            Err("neither [push] nor [scrape] stands in it, so there is nothing to do".into())
        }
        _ => Ok(read),
    }
}

/// A static program has no name service of the system's, so the server stands there by address.
fn check_server(server: &str) -> Result<(), String> {
    let authority = server.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
    let address = authority.filter(|authority| {
        authority.parse::<SocketAddr>().is_ok()
            || authority.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    });
    match address {
        Some(_) => Ok(()),
        None => Err(format!(
            "push.server is {server}; it must be https:// and an IP address, as \
             https://10.88.0.1:8448"
        )),
    }
}

/// The token in the file at `path`, read anew each time so that it may be changed.
///
/// # Errors
/// The file cannot be read, everybody may read it, or it holds no token.
pub fn read_token(path: &Path) -> Result<String, Failure> {
    let refuse = |reason: &str| Failure::Token { path: path.to_owned(), reason: reason.to_owned() };
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
    // The group's part is left alone: systemd shows a credential's access list there.
    if mode.is_ok_and(|mode| mode & 0o007 != 0) {
        return Err(refuse("everybody may read it; its mode must be 0600"));
    }
    let text = read_bounded(path)?;
    let token = text.trim();
    let fits = !token.is_empty() && token.len() <= MAXIMUM_TOKEN_CHARACTERS;
    if !fits || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("it holds no token"));
    }
    Ok(token.to_owned())
}

/// The text of a small file.
///
/// # Errors
/// It cannot be read, is longer than any such file, or is no text.
pub fn read_bounded(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAXIMUM_FILE_BYTES).read_to_string(&mut text))
        .map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PUSH: &str = "[push]\nserver = \"https://10.88.0.1:8448\"\nauthority = \"/ca\"\n\
        tokenFile = \"/token\"\n";

    #[test]
    fn a_server_an_authority_and_a_token_are_enough() {
        let read = parse(PUSH).unwrap().push.unwrap();
        assert_eq!(read.url(), "https://10.88.0.1:8448/metrics");
        assert_eq!(read.interval(), Duration::from_secs(15));
    }

    #[test]
    fn what_would_send_the_token_in_the_clear_or_open_a_port_to_others_is_refused() {
        for (text, word) in [
            ("", "nothing to do"),
            ("[scrape]\nlisten = \"0.0.0.0:9101\"", "alone"),
            (&PUSH.replace("https", "http"), "https://"),
            (&PUSH.replace("10.88.0.1", "server.example"), "IP address"),
            (&PUSH.replace("8448", "8448/path"), "IP address"),
            (&format!("{PUSH}intervalSeconds = 1\n"), "intervalSeconds"),
            (&format!("{PUSH}tokenfile = \"x\"\n"), "tokenfile"),
        ] {
            let reason = parse(text).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
        assert!(parse("[scrape]\nlisten = \"[::1]:9101\"").is_ok());
        assert!(parse(&PUSH.replace("10.88.0.1:8448", "[fd00::1]")).is_ok());
    }

    #[test]
    fn a_token_that_everybody_may_read_is_refused() {
        let folder = std::env::temp_dir().join(format!("purlin-bm-agent-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        std::fs::write(&path, "abc\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_token(&path).unwrap_err().to_string().contains("0600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_token(&path).unwrap(), "abc");
        std::fs::write(&path, "a b\r\nHost: x\n").unwrap();
        assert!(read_token(&path).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse(&text);
            let _ = check_server(&text);
        }
    }
}
