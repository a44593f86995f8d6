//! What two machines of one image must not share.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::system::System;
use crate::failure::{Failure, Tried};

const DEADLINE: Duration = Duration::from_mins(5);
/// Seeds, leases and names of NICs that the image's maker left.
const LEFTOVERS: [&str; 5] = [
    "etc/udev/rules.d/70-persistent-net.rules",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/random-seed",
    "var/lib/dhcp/dhclient.leases",
];

/// Gives the new system its own machine id (at its first start), host keys and host name.
pub fn reset(system: &mut System, hostname: &str) -> Result<(), Failure> {
    let etc = system.root().join("etc");
    for leftover in LEFTOVERS {
        remove(&system.root().join(leftover))?;
    }
    // An empty file is filled at the first start; a missing one is not by every init.
    write(&etc.join("machine-id"), "")?;
    write(&etc.join("hostname"), &format!("{hostname}\n"))?;
    for entry in fs::read_dir(etc.join("ssh")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            remove(&entry.path())?;
        }
    }
    if system.has("ssh-keygen") {
        system.run("ssh-keygen", &["-A"], DEADLINE)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure(format!("removing {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    // A link of the image's maker would lead out of the new system.
    remove(path)?;
    fs::write(path, text).tried(|| format!("writing {}", path.display()))
}
