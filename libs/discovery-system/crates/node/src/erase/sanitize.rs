//! Disks that erase themselves: `NVMe`'s format, ATA's security erase, a secure discard. They also
//! reach blocks that no write reaches.

use std::path::Path;
use std::time::Duration;

use crate::exec::run;
use crate::failure::Failure;

const SHORT: Duration = Duration::from_secs(30);
/// A large disk of plates says itself that it takes a day.
const LONG: Duration = Duration::from_hours(48);
/// Set for the time of the erasure alone, and known, so that a disk whose erasure was cut off can
/// be unlocked by the next.
const ATA_PASSWORD: &str = "purlin";

/// Lets the disk erase itself; the way that it took, or `None` where it has none.
///
/// # Errors
/// When it began and failed: then nobody knows what it holds.
pub fn sanitize(disk: &Path) -> Result<Option<&'static str>, Failure> {
    let name = disk.to_string_lossy();
    let kernel_name = disk.file_name().unwrap_or_default().to_string_lossy();
    if kernel_name.starts_with("nvme") {
        // A controller without this command refuses before anything is done.
        let format = run("nvme", &["format", "--ses=1", "--force", &name], LONG);
        return Ok(format.is_ok().then_some("NVMe format"));
    }
    if kernel_name.starts_with("sd") {
        match ata_security(&run("hdparm", &["-I", &name], SHORT).unwrap_or_default()) {
            Security::Ready { enhanced } => return ata_erase(&name, enhanced).map(Some),
            Security::Locked { enhanced } => {
                let unlock = ["--user-master", "u", "--security-unlock", ATA_PASSWORD, &name];
                run("hdparm", &unlock, SHORT)?;
                return ata_erase(&name, enhanced).map(Some);
            }
            Security::Absent => {}
        }
    }
    let secure = run("blkdiscard", &["--secure", "--force", &name], LONG);
    Ok(secure.is_ok().then_some("secure discard"))
}

fn ata_erase(name: &str, enhanced: bool) -> Result<&'static str, Failure> {
    let set = ["--user-master", "u", "--security-set-pass", ATA_PASSWORD, name];
    run("hdparm", &set, SHORT)?;
    let verb = if enhanced { "--security-erase-enhanced" } else { "--security-erase" };
    if let Err(failure) = run("hdparm", &["--user-master", "u", verb, ATA_PASSWORD, name], LONG) {
        let disable = ["--user-master", "u", "--security-disable", ATA_PASSWORD, name];
        let _ = run("hdparm", &disable, SHORT);
        return Err(failure);
    }
    Ok("ATA security erase")
}

#[derive(Debug, PartialEq, Eq)]
enum Security {
    /// It has none, or the firmware froze it.
    Absent,
    Ready {
        enhanced: bool,
    },
    /// An erasure was cut off.
    Locked {
        enhanced: bool,
    },
}

/// Reads the part `Security:` of `hdparm -I`, where each line says a word or `not` and the word.
fn ata_security(text: &str) -> Security {
    let Some((_, part)) = text.split_once("\nSecurity:") else { return Security::Absent };
    let lines: Vec<String> = part
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(char::is_whitespace))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let says = |words: &str| lines.iter().any(|line| line == words);
    let enhanced = lines.iter().any(|line| line.starts_with("supported: enhanced erase"));
    if !says("supported") || !says("not frozen") {
        Security::Absent
    } else if says("locked") {
        Security::Locked { enhanced }
    } else if says("not locked") {
        Security::Ready { enhanced }
    } else {
        Security::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::{Security, ata_security};

    fn told(locked: &str, frozen: &str) -> Security {
        ata_security(&format!(
            "x:\nSecurity: \n\tMaster password revision code = 65534\n\t\tsupported\n\
             \tnot\tenabled\n\t{locked}\n\t{frozen}\n\tnot\texpired: security count\n\
             \t\tsupported: enhanced erase\nChecksum: correct\n"
        ))
    }

    #[test]
    fn a_frozen_disk_is_overwritten_and_a_locked_one_is_unlocked_first() {
        assert_eq!(told("not\tlocked", "not\tfrozen"), Security::Ready { enhanced: true });
        assert_eq!(told("\tlocked", "not\tfrozen"), Security::Locked { enhanced: true });
        assert_eq!(told("not\tlocked", "\tfrozen"), Security::Absent);
        assert_eq!(ata_security("/dev/vda: missing"), Security::Absent);
    }
}
