//! The disk in our hands against the disk that was meant.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disks::{Disk, disks};
use crate::failure::{Failure, Tried};
use crate::order::DiskIdentity;

/// Finds the disk by its link and compares all that is known of it: nothing is written to a disk
/// that did not come through here a moment before.
///
/// # Errors
/// What differs, with what was expected and what was found.
pub fn find(identity: &DiskIdentity) -> Result<PathBuf, Failure> {
    let link = Path::new("/dev/disk/by-id").join(&identity.link);
    let path = fs::canonicalize(&link).tried(|| format!("disk {}", link.display()))?;
    let all = disks(Path::new("/sys"), Path::new("/run/udev"));
    let found = all.iter().find(|disk| Path::new("/dev").join(&disk.name) == path);
    let found = found
        .ok_or_else(|| Failure(format!("disk {}: {} is no disk", identity.link, path.display())))?;
    compare(identity, found)?;
    Ok(path)
}

/// Whether a disk is the one that was meant. Pure.
///
/// # Errors
/// What differs.
pub fn compare(identity: &DiskIdentity, found: &Disk) -> Result<(), Failure> {
    let link = &identity.link;
    let differs = |what: &str, wanted: &str, seen: &str| {
        let name = &found.name;
        Err(Failure(format!(
            "disk {link} ({name}) is not the one that was meant: {what} is {seen}, expected {wanted}"
        )))
    };
    if !found.links.iter().any(|known| known == link) {
        return differs("its name", link, &found.links.join(" "));
    }
    if found.size_bytes != identity.size_bytes {
        let (wanted, seen) = (identity.size_bytes.to_string(), found.size_bytes.to_string());
        return differs("its size in bytes", &wanted, &seen);
    }
    for (what, wanted, seen) in [
        ("its serial number", &identity.serial, &found.serial),
        ("its WWN", &identity.wwn, &found.wwn),
    ] {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| seen.as_ref() != Some(*wanted)) {
            return differs(what, wanted, seen.as_deref().unwrap_or("not told"));
        }
    }
    if found.read_only {
        return Err(Failure(format!("disk {link} ({}) refuses writes", found.name)));
    }
    Ok(())
}

/// A partition of a disk: a name that ends with a digit gets a `p` between.
#[must_use]
pub fn partition_path(disk: &Path, number: u32) -> PathBuf {
    let disk = disk.to_string_lossy();
    let between = if disk.ends_with(|letter: char| letter.is_ascii_digit()) { "p" } else { "" };
    PathBuf::from(format!("{disk}{between}{number}"))
}

/// The partitions that the kernel knows of a disk.
#[must_use]
pub fn partitions_of(disk: &Path) -> Vec<PathBuf> {
    let Some(name) = disk.file_name() else { return Vec::new() };
    let folder = Path::new("/sys/class/block").join(name);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let partitions = entries.filter(|entry| entry.path().join("partition").exists());
    partitions.map(|entry| Path::new("/dev").join(entry.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{compare, partition_path};
    use crate::disks::Disk;
    use crate::order::DiskIdentity;

    fn disk() -> Disk {
        Disk {
            name: "sda".to_owned(),
            serial: Some("A1".to_owned()),
            wwn: None,
            vendor: None,
            model: None,
            size_bytes: 1 << 30,
            logical_block_bytes: 512,
            media: "ssd",
            transport: "sata",
            removable: false,
            read_only: false,
            links: vec!["ata-A1".to_owned()],
        }
    }

    fn identity() -> DiskIdentity {
        let serial = Some("A1".to_owned());
        DiskIdentity { link: "ata-A1".to_owned(), serial, wwn: None, size_bytes: 1 << 30 }
    }

    #[test]
    fn a_disk_that_differs_in_anything_that_is_known_is_refused() {
        assert_eq!(compare(&identity(), &disk()), Ok(()));
        let wrong = [
            DiskIdentity { size_bytes: 1 << 31, ..identity() },
            DiskIdentity { serial: Some("A2".to_owned()), ..identity() },
            DiskIdentity { wwn: Some("0x5".to_owned()), ..identity() },
            DiskIdentity { link: "ata-A2".to_owned(), ..identity() },
        ];
        for identity in wrong {
            assert!(compare(&identity, &disk()).is_err(), "{identity:?}");
        }
        assert!(compare(&identity(), &Disk { read_only: true, ..disk() }).is_err());
    }

    #[test]
    fn a_refusal_names_the_disk_and_what_was_found() {
        let identity = DiskIdentity { serial: Some("A2".to_owned()), ..identity() };
        let text = compare(&identity, &disk()).unwrap_err().to_string();
        for part in ["ata-A1", "sda", "serial number is A1", "expected A2"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn partitions_of_disks_that_end_with_a_digit_have_a_letter_between() {
        assert_eq!(partition_path(Path::new("/dev/sda"), 2), Path::new("/dev/sda2"));
        assert_eq!(partition_path(Path::new("/dev/nvme0n1"), 2), Path::new("/dev/nvme0n1p2"));
    }
}
