//! Orders of the deployment server: their form, and what is checked before any is followed.

use serde::Deserialize;

use crate::failure::Failure;
use crate::order_check::{check_disk, check_key, check_steps};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[serde(deny_unknown_fields)]
pub enum Order {
    /// Ask again.
    Wait,
    /// Put an image on this machine.
    Image {
        /// In their order.
        steps: Vec<Step>,
    },
    /// Take what is on the disks away.
    Erase {
        /// Traces that make a disk look used, or every byte.
        how: Erasure,
        /// Those and no others.
        disks: Vec<DiskIdentity>,
    },
    /// Let operators in.
    Rescue {
        /// Lines of `authorized_keys`.
        ssh_keys: Vec<String>,
    },
    /// Switch the machine off.
    PowerOff,
    /// Start the machine again.
    Restart,
}

/// How thoroughly a disk is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Erasure {
    /// Signatures and tables, and a discard where the disk can.
    Quick,
    /// Every byte.
    Full,
}

/// What a disk must be before it is written to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiskIdentity {
    /// Name under `/dev/disk/by-id`.
    pub link: String,
    /// As the report said it.
    pub serial: Option<String>,
    /// As the report said it.
    pub wwn: Option<String>,
    /// Exactly.
    pub size_bytes: u64,
}

/// A block device by what it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeviceReference {
    /// A whole disk.
    Disk {
        /// Which.
        disk: DiskIdentity,
    },
    /// A partition of a disk.
    Partition {
        /// Of which disk.
        disk: DiskIdentity,
        /// From 1.
        number: u32,
    },
    /// A software RAID.
    Array {
        /// `/dev/md/NAME`.
        name: String,
    },
    /// A logical volume.
    Volume {
        /// Its group.
        group: String,
        /// Its own name.
        name: String,
    },
}

/// A partition of a table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TablePartition {
    /// From 1.
    pub number: u32,
    /// Where it begins.
    #[serde(rename = "startMiB")]
    pub start_mib: u64,
    /// How long it is.
    #[serde(rename = "sizeMiB")]
    pub size_mib: u64,
    /// A GPT type, or two hexadecimal digits of an MBR.
    #[serde(rename = "type")]
    pub kind: String,
    /// The active one of an MBR.
    pub bootable: bool,
}

/// A line of fstab.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FstabEntry {
    /// Its UUID becomes the first field.
    pub device: DeviceReference,
    /// Where; `none` for swap.
    pub mount: String,
    /// Such as ext4.
    pub filesystem: String,
    /// As `mount` takes them.
    pub options: String,
    /// Order of checks.
    pub pass: u8,
}

/// A file system that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filesystem {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// FAT, of an EFI system partition.
    Vfat,
    /// Swap space.
    Swap,
}

/// Kind of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

/// What starts the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwareMode {
    /// The first sector of a disk.
    Bios,
    /// A file of the EFI system partition.
    Uefi,
}

/// One step of an image deployment. Source: `ImageStep` of the deployment template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of the TypeScript type, explained there")]
pub enum Step {
    Tell {
        step: String,
        url: String,
    },
    RunScript {
        url: String,
    },
    CheckDisk {
        disk: DiskIdentity,
    },
    WipeDisk {
        disk: DiskIdentity,
    },
    WriteTable {
        disk: DiskIdentity,
        table: Table,
        partitions: Vec<TablePartition>,
    },
    MakeArray {
        name: String,
        level: u8,
        members: Vec<DeviceReference>,
    },
    MakeGroup {
        group: String,
        physical_volumes: Vec<DeviceReference>,
    },
    MakeVolume {
        group: String,
        name: String,
        #[serde(rename = "sizeMiB")]
        size_mib: Option<u64>,
    },
    MakeFilesystem {
        device: DeviceReference,
        filesystem: Filesystem,
    },
    Mount {
        device: DeviceReference,
        mount: String,
    },
    Unpack {
        url: String,
        sha256: String,
    },
    WriteFstab {
        entries: Vec<FstabEntry>,
    },
    ResetIdentity {
        hostname: String,
    },
    RunInSystem {
        program: String,
        args: Vec<String>,
    },
    InstallBootLoader {
        firmware: FirmwareMode,
        disks: Vec<DiskIdentity>,
    },
    RunScriptInSystem {
        url: String,
    },
    Unmount,
    RestartFromDisk,
}

impl Order {
    /// Reads an order and checks all of it: forms of names, addresses and sums, and that each disk
    /// that a plan touches is one that it checks before its first writing step.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let order: Self = serde_json::from_str(text)
            .map_err(|error| Failure(format!("an order that cannot be read: {error}")))?;
        match &order {
            Self::Image { steps } => check_steps(steps)?,
            Self::Erase { disks, .. } => {
                if disks.is_empty() {
                    return Err(Failure::new("an order to erase that names no disk"));
                }
                disks.iter().try_for_each(check_disk)?;
            }
            Self::Rescue { ssh_keys } => ssh_keys.iter().try_for_each(|key| check_key(key))?,
            _ => {}
        }
        Ok(order)
    }
}

impl Step {
    /// The disks that the step reads or writes.
    #[must_use]
    pub fn disks(&self) -> Vec<&DiskIdentity> {
        match self {
            Self::CheckDisk { disk } | Self::WipeDisk { disk } | Self::WriteTable { disk, .. } => {
                vec![disk]
            }
            Self::MakeArray { members: devices, .. }
            | Self::MakeGroup { physical_volumes: devices, .. } => {
                devices.iter().filter_map(DeviceReference::disk).collect()
            }
            Self::MakeFilesystem { device, .. } | Self::Mount { device, .. } => {
                device.disk().into_iter().collect()
            }
            Self::WriteFstab { entries } => {
                entries.iter().filter_map(|entry| entry.device.disk()).collect()
            }
            Self::InstallBootLoader { disks, .. } => disks.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The step for people: what it does, and to what.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Tell { step, .. } => format!("tell {step}"),
            Self::RunScript { .. } => "run a script of the template".to_owned(),
            Self::CheckDisk { disk } => format!("check disk {}", disk.link),
            Self::WipeDisk { disk } => format!("wipe disk {}", disk.link),
            Self::WriteTable { disk, .. } => format!("write table of {}", disk.link),
            Self::MakeArray { name, .. } => format!("make array {name}"),
            Self::MakeGroup { group, .. } => format!("make group {group}"),
            Self::MakeVolume { group, name, .. } => format!("make volume {group}/{name}"),
            Self::MakeFilesystem { device, .. } => format!("make file system on {device}"),
            Self::Mount { mount, .. } => format!("mount {mount}"),
            Self::Unpack { .. } => "unpack the image".to_owned(),
            Self::WriteFstab { .. } => "write fstab".to_owned(),
            Self::ResetIdentity { hostname } => format!("reset identity to {hostname}"),
            Self::RunInSystem { program, .. } => format!("run {program} in the new system"),
            Self::InstallBootLoader { .. } => "install boot loader".to_owned(),
            Self::RunScriptInSystem { .. } => "run the post step in the new system".to_owned(),
            Self::Unmount => "unmount".to_owned(),
            Self::RestartFromDisk => "restart from disk".to_owned(),
        }
    }

    /// Whether the step changes a disk, or what is on it.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Tell { .. } | Self::CheckDisk { .. } | Self::RunScript { .. })
    }
}

impl DeviceReference {
    /// The disk that it lies on, where it lies on one.
    #[must_use]
    pub fn disk(&self) -> Option<&DiskIdentity> {
        match self {
            Self::Disk { disk } | Self::Partition { disk, .. } => Some(disk),
            Self::Array { .. } | Self::Volume { .. } => None,
        }
    }
}

impl std::fmt::Display for DeviceReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk { disk } => write!(formatter, "{}", disk.link),
            Self::Partition { disk, number } => write!(formatter, "{}-part{number}", disk.link),
            Self::Array { name } => write!(formatter, "array {name}"),
            Self::Volume { group, name } => write!(formatter, "volume {group}/{name}"),
        }
    }
}
