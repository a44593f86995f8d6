//! What the firmware starts: GRUB of the image's own packages, with the image's own programs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::system::System;
use crate::exec::run;
use crate::failure::{Failure, Tried};
use crate::order::FirmwareMode;

const DEADLINE: Duration = Duration::from_mins(20);
const SHORT: Duration = Duration::from_mins(1);

/// Installs the boot loader and writes its menu. On UEFI it goes to the path that every firmware
/// tries (`EFI/BOOT`), because an entry in the firmware's own memory would outlive the disk.
pub fn install(
    system: &mut System,
    firmware: FirmwareMode,
    disks: &[PathBuf],
    has_arrays: bool,
) -> Result<(), Failure> {
    if has_arrays {
        write_arrays(system)?;
    }
    // Images of this kind start what their maker's machine had; ours has other disks.
    if system.has("dracut") {
        system.run("dracut", &["--force", "--regenerate-all", "--no-hostonly"], DEADLINE)?;
    } else if has_arrays && system.has("update-initramfs") {
        system.run("update-initramfs", &["-u", "-k", "all"], DEADLINE)?;
    }
    let program = ["grub-install", "grub2-install"].into_iter().find(|name| system.has(name));
    let program = program.ok_or_else(|| {
        Failure::new("the image holds no grub-install and no grub2-install: nothing starts it")
    })?;
    match firmware {
        FirmwareMode::Bios => {
            for disk in disks {
                let disk = disk.to_string_lossy();
                system.run(program, &["--target=i386-pc", "--recheck", &disk], DEADLINE)?;
            }
        }
        FirmwareMode::Uefi => install_uefi(system, program)?,
    }
    write_console(system)?;
    write_menu(system)
}

/// A signed loader that the image's packages have put there themselves is left as it is.
fn install_uefi(system: &mut System, program: &str) -> Result<(), Failure> {
    let is_there = system.root().join("boot/efi/EFI/BOOT/BOOTX64.EFI").exists();
    if program == "grub2-install" && is_there {
        return Ok(());
    }
    let place = "--efi-directory=/boot/efi";
    let args = ["--target=x86_64-efi", place, "--removable", "--no-nvram", "--recheck"];
    system.run(program, &args, DEADLINE).map(|_| ())
}

/// Arrays by their UUIDs, for the initial file system of the image.
fn write_arrays(system: &System) -> Result<(), Failure> {
    let arrays = run("mdadm", &["--detail", "--scan"], SHORT)?;
    let debian = system.root().join("etc/mdadm");
    let path = if debian.is_dir() {
        debian.join("mdadm.conf")
    } else {
        system.root().join("etc/mdadm.conf")
    };
    let text = format!("HOMEHOST <system>\nMAILADDR root\n{arrays}");
    fs::write(&path, text).tried(|| format!("writing {}", path.display()))
}

/// The consoles that this system was started with stay those of the new one, so that its first
/// start is seen where this one was.
fn write_console(system: &System) -> Result<(), Failure> {
    let folder = system.root().join("etc/default/grub.d");
    if !system.has("update-grub") {
        return Ok(());
    }
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let Some(text) = console_settings(&line) else { return Ok(()) };
    fs::create_dir_all(&folder).tried(|| format!("folder {}", folder.display()))?;
    let path = folder.join("50-purlin-console.cfg");
    fs::write(&path, text).tried(|| format!("writing {}", path.display()))
}

/// Settings of GRUB for a serial console `ttySN[,SPEED…]` on the kernel's command line; `None`
/// without one. Pure.
fn console_settings(line: &str) -> Option<String> {
    let consoles: Vec<_> =
        line.split_whitespace().filter(|word| word.starts_with("console=")).collect();
    let serial = consoles.iter().rev().find_map(|word| word.strip_prefix("console=ttyS"))?;
    let (unit, mode) = serial.split_once(',').unwrap_or((serial, "9600"));
    let speed: String = mode.chars().take_while(char::is_ascii_digit).collect();
    let is_plain =
        |word: &&&str| word.bytes().all(|it| it.is_ascii_alphanumeric() || b"=,".contains(&it));
    unit.parse::<u8>().ok()?;
    let words: Vec<_> = consoles.iter().filter(is_plain).copied().collect();
    Some(format!(
        "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"\nGRUB_TERMINAL=\"console serial\"\n\
         GRUB_SERIAL_COMMAND=\"serial --unit={unit} --speed={speed}\"\n",
        words.join(" ")
    ))
}

fn write_menu(system: &mut System) -> Result<(), Failure> {
    if system.has("update-grub") {
        return system.run("update-grub", &[], DEADLINE).map(|_| ());
    }
    let (program, place) = if system.has("grub2-mkconfig") {
        ("grub2-mkconfig", "/boot/grub2/grub.cfg")
    } else {
        ("grub-mkconfig", "/boot/grub/grub.cfg")
    };
    system.run(program, &["-o", place], DEADLINE).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::console_settings;

    #[test]
    fn the_serial_console_of_this_start_becomes_the_new_systems() {
        let text = console_settings("quiet console=tty0 console=ttyS1,115200n8 x=y").unwrap();
        assert!(text.contains("console=tty0 console=ttyS1,115200n8\""), "{text}");
        assert!(text.contains("serial --unit=1 --speed=115200\""), "{text}");
    }

    #[test]
    fn without_a_serial_console_and_with_hostile_words_nothing_is_written() {
        assert_eq!(console_settings("console=tty0 quiet"), None);
        assert_eq!(console_settings("console=ttyS$(id),1"), None);
        let text = console_settings("console=`id` console=ttyS0").unwrap();
        assert!(!text.contains('`'), "{text}");
    }
}
