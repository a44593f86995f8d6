//! Operators in the live system: SSH with the keys of the order, and no password.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::console::say;
use crate::exec::run;
use crate::failure::{Failure, Tried};
use crate::http::Client;

const SHORT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(2);
const KEYS: &str = "/root/.ssh/authorized_keys";
const PROCESS: &str = "/run/dropbear.pid";

/// Lets the holders of the keys in as root and tells `rescue`. The same order again changes
/// nothing; one with other keys replaces them.
///
/// # Errors
/// When the server of SSH does not start.
pub fn open(client: &Client, url: &str, keys: &[String]) -> Result<(), Failure> {
    let text: String = [keys.join("\n").as_str(), "\n"].concat();
    let is_open = Path::new(PROCESS).exists();
    if is_open && fs::read_to_string(KEYS).is_ok_and(|known| known == text) {
        thread::sleep(PAUSE);
        return Ok(());
    }
    for (folder, mode) in [("/root", 0o700), ("/root/.ssh", 0o700), ("/etc/dropbear", 0o700)] {
        fs::create_dir_all(folder).tried(|| format!("folder {folder}"))?;
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder, permissions).tried(|| format!("folder {folder}"))?;
    }
    fs::write(KEYS, text).tried(|| format!("writing {KEYS}"))?;
    fs::set_permissions(KEYS, fs::Permissions::from_mode(0o600)).tried(|| KEYS.to_owned())?;
    if !is_open {
        let key = "/etc/dropbear/dropbear_ed25519_host_key";
        let made = run("dropbearkey", &["-t", "ed25519", "-f", key], SHORT)?;
        if let Some(print) = made.lines().find(|line| line.starts_with("Fingerprint")) {
            say(&format!("rescue: {print}"));
        }
        // -s: no passwords; -r: this key and no other.
        run("dropbear", &["-s", "-r", key, "-p", "22", "-P", PROCESS], SHORT)?;
    }
    Ok(client.post(&format!("{url}/event/rescue"), "")?)
}
