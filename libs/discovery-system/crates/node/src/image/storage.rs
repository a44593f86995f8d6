//! Tables, arrays, groups, volumes, file systems: Debian's programs, by argument arrays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clean::{read_table_again, settle};
use crate::exec::{run, run_with_input};
use crate::failure::Failure;
use crate::identity::{find, partition_path};
use crate::order::{DeviceReference, Filesystem, Table, TablePartition};

const DEADLINE: Duration = Duration::from_mins(10);

/// The device that a reference means now; its disk is compared once more.
pub fn path_of(device: &DeviceReference) -> Result<PathBuf, Failure> {
    match device {
        DeviceReference::Disk { disk } => find(disk),
        DeviceReference::Partition { disk, number } => Ok(partition_path(&find(disk)?, *number)),
        other => {
            let path = other.layer_path().unwrap_or_default();
            if path.exists() {
                Ok(path)
            } else {
                Err(Failure(format!("{other} is not here ({})", path.display())))
            }
        }
    }
}

/// Writes a table and takes old signatures in its partitions away.
pub fn write_table(
    disk: &Path,
    table: Table,
    partitions: &[TablePartition],
) -> Result<(), Failure> {
    let name = disk.to_string_lossy();
    let options = ["--quiet", "--wipe=always", "--wipe-partitions=always", "--no-tell-kernel"];
    let args: Vec<&str> = options.into_iter().chain([name.as_ref()]).collect();
    run_with_input("sfdisk", &args, &script(disk, table, partitions), DEADLINE)?;
    read_table_again(disk)
}

/// What sfdisk reads. Pure.
fn script(disk: &Path, table: Table, partitions: &[TablePartition]) -> String {
    let label = match table {
        Table::Gpt => "gpt",
        Table::Mbr => "dos",
    };
    let lines = partitions.iter().map(|partition| {
        let path = partition_path(disk, partition.number);
        let TablePartition { start_mib, size_mib, kind, bootable, .. } = partition;
        let active = if *bootable { ", bootable" } else { "" };
        let path = path.display();
        format!("{path} : start={start_mib}MiB, size={size_mib}MiB, type={kind}{active}\n")
    });
    format!("label: {label}\n\n{}", lines.collect::<String>())
}

/// Makes an array that every host starts by itself under its name.
pub fn make_array(name: &str, level: u8, members: &[DeviceReference]) -> Result<(), Failure> {
    let paths = paths_of(members)?;
    let array = format!("/dev/md/{name}");
    let level = format!("--level={level}");
    let count = format!("--raid-devices={}", paths.len());
    let mut args = vec!["--create", &array, "--run", "--quiet", "--metadata=1.2"];
    args.extend(["--homehost=any", &level, &count]);
    args.extend(paths.iter().map(String::as_str));
    run("mdadm", &args, DEADLINE)?;
    settle();
    Ok(())
}

/// Makes a group of volumes. A group of the same name on another disk is an error.
pub fn make_group(group: &str, physical_volumes: &[DeviceReference]) -> Result<(), Failure> {
    let paths = paths_of(physical_volumes)?;
    let words: Vec<_> = paths.iter().map(String::as_str).collect();
    run("lvm", &[&["pvcreate", "--quiet", "-ff", "-y"], words.as_slice()].concat(), DEADLINE)?;
    run("lvm", &[&["vgcreate", "--quiet", "-y", group], words.as_slice()].concat(), DEADLINE)?;
    Ok(())
}

/// Makes a volume; without a size it takes what is left.
pub fn make_volume(group: &str, name: &str, size_mib: Option<u64>) -> Result<(), Failure> {
    let size = match size_mib {
        Some(size) => format!("--size={size}m"),
        None => "--extents=100%FREE".to_owned(),
    };
    let args = ["lvcreate", "--quiet", "-y", "-W", "y", "-Z", "y", "-n", name, &size, group];
    run("lvm", &args, DEADLINE)?;
    settle();
    Ok(())
}

/// Makes a file system, whatever was there before.
pub fn make_filesystem(device: &Path, filesystem: Filesystem) -> Result<(), Failure> {
    let name = device.to_string_lossy();
    let (program, options): (&str, &[&str]) = match filesystem {
        Filesystem::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
        Filesystem::Xfs => ("mkfs.xfs", &["-q", "-f"]),
        Filesystem::Vfat => ("mkfs.vfat", &["-F", "32"]),
        Filesystem::Swap => ("mkswap", &["--force"]),
    };
    run(program, &[options, &[&name]].concat(), DEADLINE)?;
    settle();
    Ok(())
}

/// The UUID of what stands on a device.
pub fn uuid_of(device: &Path) -> Result<String, Failure> {
    probe(device, "UUID")
}

/// The kind of what stands on a device, as the kernel names it.
pub fn kind_of(device: &Path) -> Result<String, Failure> {
    probe(device, "TYPE")
}

fn probe(device: &Path, tag: &str) -> Result<String, Failure> {
    let name = device.to_string_lossy();
    let args = ["--probe", "--match-tag", tag, "--output", "value", &name];
    let value = run("blkid", &args, DEADLINE)?.trim().to_owned();
    if value.is_empty() { Err(Failure(format!("{name} has no {tag}"))) } else { Ok(value) }
}

fn paths_of(devices: &[DeviceReference]) -> Result<Vec<String>, Failure> {
    let path = |device| path_of(device).map(|path: PathBuf| path.to_string_lossy().into_owned());
    devices.iter().map(path).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::script;
    use crate::order::{Table, TablePartition};

    #[test]
    fn partitions_keep_their_numbers_starts_sizes_and_types() {
        let partition = |number, start_mib, kind: &str, bootable| TablePartition {
            number,
            start_mib,
            size_mib: 512,
            kind: kind.to_owned(),
            bootable,
        };
        let partitions = [partition(1, 1, "83", true), partition(5, 513, "8e", false)];
        let expected = "label: dos\n\n\
            /dev/nvme0n1p1 : start=1MiB, size=512MiB, type=83, bootable\n\
            /dev/nvme0n1p5 : start=513MiB, size=512MiB, type=8e\n";
        assert_eq!(script(Path::new("/dev/nvme0n1"), Table::Mbr, &partitions), expected);
    }
}
