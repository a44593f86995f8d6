//! Short lines of progress on every console: people look at the screen or at serial over LAN.

use std::fs::{self, OpenOptions};
use std::io::Write;

/// Writes one line to every active console. Failure is nobody's concern: there may be none.
pub fn say(line: &str) {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let mut written = false;
    for name in active.split_whitespace() {
        let Ok(mut console) = OpenOptions::new().write(true).open(format!("/dev/{name}")) else {
            continue;
        };
        written |= write!(console, "purlin: {line}\r\n").is_ok();
    }
    if !written {
        eprintln!("purlin: {line}");
    }
}
