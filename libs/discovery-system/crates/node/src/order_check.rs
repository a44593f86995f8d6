//! What an order must hold to before any of it is followed.

use crate::disks::is_link;
use crate::failure::Failure;
use crate::order::{DeviceReference, DiskIdentity, Step};

const STEPS_MAX: usize = 10_000;
const NAME_MAX: usize = 64;
const KEY_MAX: usize = 16_384;

/// Checks a whole plan: forms of names, addresses and sums, and that each disk that it touches is
/// one that it checks before its first writing step.
///
/// # Errors
/// What is wrong, with the step.
pub fn check_steps(steps: &[Step]) -> Result<(), Failure> {
    if steps.is_empty() || steps.len() > STEPS_MAX {
        return Err(Failure(format!("a plan of {} steps", steps.len())));
    }
    let first_write = steps.iter().position(Step::writes).unwrap_or(steps.len());
    let checked: Vec<&DiskIdentity> = steps[..first_write]
        .iter()
        .filter_map(|step| if let Step::CheckDisk { disk } = step { Some(disk) } else { None })
        .collect();
    for step in steps {
        check_step(step, &checked)
            .map_err(|failure| Failure(format!("plan refused, {}: {failure}", step.describe())))?;
    }
    Ok(())
}

fn check_step(step: &Step, checked: &[&DiskIdentity]) -> Result<(), Failure> {
    for disk in step.disks() {
        check_disk(disk)?;
        if !checked.contains(&disk) {
            return Err(Failure(format!(
                "disk {} is not checked before anything is written",
                disk.link
            )));
        }
    }
    match step {
        Step::Tell { step, url } => check_name(step).and_then(|()| check_url(url)),
        Step::RunScript { url } | Step::RunScriptInSystem { url } => check_url(url),
        Step::WriteTable { partitions, .. } => {
            let is_kind = |kind: &str| {
                kind.len() <= 36 && kind.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-')
            };
            expect(
                partitions.iter().all(|it| is_kind(&it.kind)),
                "a partition's type is malformed",
            )?;
            expect(
                partitions.iter().all(|it| (1..=128).contains(&it.number)),
                "a partition's number",
            )
        }
        Step::MakeArray { name, level, members } => {
            check_name(name)?;
            expect([0, 1, 5, 6, 10].contains(level), "no such level")?;
            members.iter().try_for_each(check_reference)
        }
        Step::MakeGroup { group, physical_volumes } => {
            check_name(group)?;
            physical_volumes.iter().try_for_each(check_reference)
        }
        Step::MakeVolume { group, name, .. } => check_name(group).and_then(|()| check_name(name)),
        Step::MakeFilesystem { device, .. } => check_reference(device),
        Step::Mount { device, mount } => {
            check_reference(device)?;
            expect(is_mount(mount), "a mount point that is no clean path")
        }
        Step::Unpack { url, sha256 } => {
            check_url(url)?;
            let is_sum = sha256.len() == 64 && sha256.bytes().all(|it| it.is_ascii_hexdigit());
            expect(is_sum, "a sum that is no SHA-256")
        }
        Step::WriteFstab { entries } => entries.iter().try_for_each(|entry| {
            check_reference(&entry.device)?;
            let is_word =
                |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
            expect(is_word(&entry.options) && is_word(&entry.filesystem), "a field of fstab")?;
            expect(entry.mount == "none" || is_mount(&entry.mount), "a mount point of fstab")
        }),
        Step::ResetIdentity { hostname } => {
            let is_letter =
                |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-.".contains(&it);
            expect(!hostname.is_empty() && hostname.len() <= 253, "the host name's length")?;
            expect(hostname.bytes().all(is_letter), "the host name's letters")
        }
        Step::RunInSystem { program, args } => {
            check_name(program)?;
            expect(args.iter().all(|word| !word.contains('\0')), "an argument holds NUL")
        }
        _ => Ok(()),
    }
}

/// Checks the form of a disk's identity.
///
/// # Errors
/// When its link is no name of a file.
pub fn check_disk(disk: &DiskIdentity) -> Result<(), Failure> {
    expect(is_link(&disk.link), "a disk's link is no name under /dev/disk/by-id")?;
    expect(disk.size_bytes > 0, "a disk of no size")
}

/// Checks a line of `authorized_keys`.
///
/// # Errors
/// When it is more than a line.
pub fn check_key(key: &str) -> Result<(), Failure> {
    let is_line = key.len() <= KEY_MAX && !key.chars().any(char::is_control);
    expect(is_line && key.contains(' '), "an SSH key is not one line")
}

fn check_reference(device: &DeviceReference) -> Result<(), Failure> {
    match device {
        DeviceReference::Disk { .. } => Ok(()),
        DeviceReference::Partition { number, .. } => {
            expect((1..=128).contains(number), "a partition's number")
        }
        DeviceReference::Array { name } => check_name(name),
        DeviceReference::Volume { group, name } => {
            check_name(group).and_then(|()| check_name(name))
        }
    }
}

/// Names of arrays, groups, volumes, programs, steps: never an option, never a path.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_letter = |it: u8| it.is_ascii_alphanumeric() || b"._+-".contains(&it);
    let is_name = name.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric() || it == b'_')
        && name.len() <= NAME_MAX
        && name.bytes().all(is_letter);
    expect(is_name, "a name that is malformed")
}

fn check_url(url: &str) -> Result<(), Failure> {
    let is_plain = url.len() <= 2048 && url.bytes().all(|it| it.is_ascii_graphic());
    let is_http = url.starts_with("http://") || url.starts_with("https://");
    expect(is_plain && is_http, "an address that is not http(s)")
}

/// An absolute path without empty parts and without steps upwards.
fn is_mount(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..") && part.bytes().all(|it| it.is_ascii_graphic())
    };
    path.len() <= 1024 && (rest.is_empty() || rest.split('/').all(is_part))
}

fn expect(good: bool, message: &str) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(Failure::new(message)) }
}
