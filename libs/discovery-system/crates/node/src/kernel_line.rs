//! What the kernel was started with.

use std::time::Duration;

/// The words of the kernel's command line that concern this program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelLine {
    /// Where this node reports and asks: `purlin.url=http(s)://SERVER:PORT/node/TOKEN`.
    pub url: Option<String>,
    /// The MAC of the NIC that the loader used: `BOOTIF=01-xx-…`, as colons and small letters.
    pub boot_mac: Option<String>,
    /// Since 1970, when the server wrote this line: `purlin.time=SECONDS`.
    pub time: Option<Duration>,
}

impl KernelLine {
    /// Reads `/proc/cmdline`. The last of equal words counts. Pure and total.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut line = Self::default();
        for word in text.split_whitespace() {
            if let Some(url) = word.strip_prefix("purlin.url=") {
                line.url = Some(url.trim_end_matches('/').to_owned()).filter(|url| is_http(url));
            } else if let Some(value) = word.strip_prefix("purlin.time=") {
                line.time = value.parse().ok().map(Duration::from_secs);
            } else if let Some(value) = word.strip_prefix("BOOTIF=") {
                line.boot_mac = mac_of(value).or(line.boot_mac);
            }
        }
        line
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// The loaders write the hardware type (01, Ethernet) before the address; some leave it out.
fn mac_of(value: &str) -> Option<String> {
    let parts: Vec<_> = value.split(['-', ':']).collect();
    let address = match parts.as_slice() {
        ["01", address @ ..] | address if address.len() == 6 => address,
        _ => return None,
    };
    let are_bytes = address
        .iter()
        .all(|part| part.len() == 2 && part.bytes().all(|letter| letter.is_ascii_hexdigit()));
    // A group's address is no NIC's: that was a type and a cut off address.
    let is_group = u8::from_str_radix(address[0], 16).is_ok_and(|byte| byte & 1 == 1);
    (are_bytes && !is_group).then(|| address.join(":").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::KernelLine;

    #[test]
    fn the_address_of_the_server_and_the_boot_nic_are_found() {
        let line = KernelLine::parse(
            "quiet purlin.url=http://10.0.0.1:8088/node/abc/ BOOTIF=01-52-54-00-AA-bb-01 x=y \
             purlin.time=1800000007\n",
        );
        assert_eq!(line.time, Some(Duration::from_secs(1_800_000_007)));
        assert_eq!(line.url.as_deref(), Some("http://10.0.0.1:8088/node/abc"));
        assert_eq!(line.boot_mac.as_deref(), Some("52:54:00:aa:bb:01"));
    }

    #[test]
    fn other_schemes_and_malformed_addresses_are_not_taken() {
        let line =
            KernelLine::parse("purlin.url=file:///etc BOOTIF=01-52-54-00-AA-bb purlin.time=-1");
        assert_eq!(line, KernelLine::default());
    }
}
