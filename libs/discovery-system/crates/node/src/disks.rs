//! The disks of this machine, with the names and identities that udev gave them.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::word::word;

const DISKS_MAX: usize = 1024;
const LINKS_MAX: usize = 32;
/// The largest whole number that every reader of JSON takes.
const SIZE_MAX_BYTES: u64 = (1 << 53) - 1;
const SECTOR_BYTES: u64 = 512;

/// A whole disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// The kernel's name; it changes by boot.
    pub name: String,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// World wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The maker's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// All of it.
    pub size_bytes: u64,
    /// 512 or 4096.
    pub logical_block_bytes: u32,
    /// `ssd` or `hdd`.
    pub media: &'static str,
    /// How it is attached.
    pub transport: &'static str,
    /// Whether it can be taken out while the machine runs, as a stick.
    pub removable: bool,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// Names under `/dev/disk/by-id`.
    pub links: Vec<String>,
}

/// The disks below `sys`, with what udev keeps in `udev` (`/run/udev`), by name. Disks with blocks
/// of other sizes than 512 and 4096 bytes, empty drives and all that is no disk are left out.
#[must_use]
pub fn disks(sys: &Path, udev: &Path) -> Vec<Disk> {
    let mut disks: Vec<Disk> = fs::read_dir(sys.join("block"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| disk(&entry.path(), udev))
        .collect();
    disks.sort_by(|one, other| one.name.cmp(&other.name));
    disks.truncate(DISKS_MAX);
    disks
}

fn disk(folder: &Path, udev: &Path) -> Option<Disk> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let is_other = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock"]
        .iter()
        .any(|start| name.starts_with(start));
    if is_other || !folder.join("device").exists() {
        return None;
    }
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    let size_bytes = number("size")?.checked_mul(SECTOR_BYTES)?;
    let logical_block_bytes = u32::try_from(number("queue/logical_block_size")?).ok()?;
    if size_bytes == 0 || size_bytes > SIZE_MAX_BYTES || !matches!(logical_block_bytes, 512 | 4096)
    {
        return None;
    }
    let device_number = read("dev")?;
    let kept = Kept::parse(
        &fs::read_to_string(udev.join(format!("data/b{}", device_number.trim())))
            .unwrap_or_default(),
    );
    let path = fs::canonicalize(folder).ok()?;
    let serial = kept
        .first(&["ID_SCSI_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"])
        .or_else(|| word(&read("serial")?))
        .or_else(|| word(&read("device/serial")?));
    Some(Disk {
        serial,
        wwn: kept.first(&["ID_WWN_WITH_EXTENSION", "ID_WWN"]).or_else(|| word(&read("wwid")?)),
        vendor: vendor_of(&kept, read("device/vendor")),
        model: read("device/model").and_then(|model| word(&model)),
        size_bytes,
        logical_block_bytes,
        media: if number("queue/rotational") == Some(1) { "hdd" } else { "ssd" },
        transport: transport(&name, &path.to_string_lossy(), kept.get("ID_BUS")),
        removable: number("removable") == Some(1),
        read_only: number("ro") == Some(1),
        links: kept.links,
        name,
    })
}

/// Virtio's vendor is a PCI number, and ATA disks have this word instead of one.
fn vendor_of(kept: &Kept, vendor: Option<String>) -> Option<String> {
    if kept.get("ID_BUS") == Some("ata") {
        return None;
    }
    word(&vendor?).filter(|vendor| !vendor.starts_with("0x") && vendor != "ATA")
}

fn transport(name: &str, path: &str, bus: Option<&str>) -> &'static str {
    if name.starts_with("nvme") {
        "nvme"
    } else if bus == Some("usb") || path.contains("/usb") {
        "usb"
    } else if path.contains("/virtio") {
        "virtio"
    } else if path.contains("/end_device-") {
        "sas"
    } else if bus == Some("ata") || path.contains("/ata") {
        "sata"
    } else {
        "other"
    }
}

/// What udev keeps of a device: lines `S:LINK` and `E:NAME=VALUE`.
#[derive(Debug, Default)]
struct Kept {
    links: Vec<String>,
    properties: Vec<(String, String)>,
}

impl Kept {
    fn parse(text: &str) -> Self {
        let mut kept = Self::default();
        for line in text.lines() {
            if let Some(link) = line.strip_prefix("S:disk/by-id/") {
                if is_link(link) {
                    kept.links.push(link.to_owned());
                }
            } else if let Some((name, value)) =
                line.strip_prefix("E:").and_then(|property| property.split_once('='))
            {
                kept.properties.push((name.to_owned(), value.to_owned()));
            }
        }
        kept.links.sort();
        kept.links.truncate(LINKS_MAX);
        kept
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| word(self.get(name)?))
    }
}

/// Whether a name is one that the report takes; a link of a partition has a disk of its own.
#[must_use]
pub fn is_link(text: &str) -> bool {
    let mut letters = text.bytes();
    letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric())
        && text.len() <= 255
        && letters.all(|letter| letter.is_ascii_alphanumeric() || b"._:+=@-".contains(&letter))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{disks, is_link, transport};

    #[test]
    fn a_disk_has_the_names_and_the_identity_that_udev_keeps() {
        let root = tempfile::tempdir().unwrap();
        let (sys, udev) = (root.path().join("sys"), root.path().join("udev"));
        let device = sys.join("devices/pci0/ata1/host0/block/sda");
        for folder in ["queue", "device"] {
            fs::create_dir_all(device.join(folder)).unwrap();
        }
        fs::create_dir_all(sys.join("block")).unwrap();
        fs::create_dir_all(udev.join("data")).unwrap();
        symlink(&device, sys.join("block/sda")).unwrap();
        for (name, text) in [
            ("size", "2048\n"),
            ("dev", "8:0\n"),
            ("removable", "0\n"),
            ("ro", "1\n"),
            ("queue/logical_block_size", "512\n"),
            ("queue/rotational", "1\n"),
            ("device/vendor", "ATA     \n"),
            ("device/model", "QEMU HARDDISK   \n"),
        ] {
            fs::write(device.join(name), text).unwrap();
        }
        let kept = "S:disk/by-id/wwn-0x5\nS:disk/by-id/ata-QEMU_A1\nS:disk/by-path/x\n\
                    S:disk/by-id/bad name\nE:ID_BUS=ata\nE:ID_SERIAL_SHORT=A1\nE:ID_WWN=0x5\n";
        fs::write(udev.join("data/b8:0"), kept).unwrap();

        let found = disks(&sys, &udev);
        assert_eq!(found.len(), 1);
        let disk = &found[0];
        assert_eq!(disk.links, ["ata-QEMU_A1", "wwn-0x5"]);
        assert_eq!((disk.serial.as_deref(), disk.wwn.as_deref()), (Some("A1"), Some("0x5")));
        assert_eq!((disk.media, disk.transport, disk.size_bytes), ("hdd", "sata", 1 << 20));
        assert_eq!((disk.model.as_deref(), disk.vendor.as_deref()), (Some("QEMU HARDDISK"), None));
        assert!(disk.read_only && !disk.removable);
    }

    #[test]
    fn the_transport_is_where_the_disk_hangs() {
        assert_eq!(transport("nvme0n1", "/sys/devices/pci/nvme/nvme0n1", None), "nvme");
        assert_eq!(transport("vda", "/sys/devices/pci/virtio1/block/vda", None), "virtio");
        assert_eq!(transport("sda", "/sys/pci/host1/port-1:0/end_device-1:0/x", None), "sas");
        assert_eq!(transport("sda", "/sys/pci/usb1/1-1/host1/x", Some("usb")), "usb");
        assert_eq!(transport("sda", "/sys/pci/host1/x", None), "other");
    }

    #[test]
    fn names_that_leave_the_folder_are_no_links() {
        assert!(is_link("nvme-eui.0025_1=a"));
        for bad in ["", ".hidden", "a/b", "a b", "../x"] {
            assert!(!is_link(bad), "{bad}");
        }
    }
}
