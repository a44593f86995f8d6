//! The first process: file systems of the kernel, devices by udev, then our own work in a child
//! that is started again when it dies, while this process takes up what others leave behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::mount::{MountFlags, mount};
use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};

use crate::console::say;
use crate::exec::run;

const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
const SETTLE: Duration = Duration::from_mins(1);
const STARTS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_secs(5);

/// Runs as the first process; never returns while the machine runs.
pub fn run_as_init() {
    mount_kernel_file_systems();
    say("discovery system starts");
    start_devices();
    for _ in 0..STARTS_MAX {
        work_once();
        thread::sleep(PAUSE);
    }
    say("gave up; the machine restarts in 60 s");
    thread::sleep(Duration::from_mins(1));
    restart();
}

/// Restarts the machine at once; what is written must have been synchronized before.
pub fn restart() {
    rustix::fs::sync();
    let _ = reboot(RebootCommand::Restart);
}

/// Switches the machine off.
pub fn power_off() {
    rustix::fs::sync();
    let _ = reboot(RebootCommand::PowerOff);
}

fn mount_kernel_file_systems() {
    let none = MountFlags::empty();
    let closed = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounts = [
        ("proc", "/proc", "proc", closed, c""),
        ("sysfs", "/sys", "sysfs", closed, c""),
        ("devtmpfs", "/dev", "devtmpfs", none, c"mode=0755"),
        ("tmpfs", "/run", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755"),
        ("tmpfs", "/tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777"),
    ];
    for (source, target, kind, flags, options) in mounts {
        // Nobody can be told yet; what is missing shows in the next step.
        let _ = mount(source, target, kind, flags, options);
    }
    for folder in ["/dev/pts", "/dev/shm", "/run/purlin", "/run/lock"] {
        let _ = fs::create_dir_all(folder);
    }
    let _ =
        mount("devpts", "/dev/pts", "devpts", MountFlags::NOSUID, c"gid=5,mode=620,ptmxmode=666");
    let _ = symlink("/proc/self/fd", "/dev/fd");
    // The programs that scripts and people expect; they come last in the search path, so that
    // Debian's own stand before them.
    let _ = fs::create_dir_all("/usr/local/bin");
    let _ = run("/usr/bin/busybox", &["--install", "-s", "/usr/local/bin"], SETTLE);
}

/// udev loads the drivers of what the machine has and gives disks the names that an installed
/// system gives them.
fn start_devices() {
    let steps: [(&str, &[&str]); 3] = [
        ("/usr/lib/systemd/systemd-udevd", &["--daemon"]),
        (
            "udevadm",
            &["trigger", "--type=all", "--action=add", "--prioritized-subsystem=module,block,net"],
        ),
        ("udevadm", &["settle", "--timeout=50"]),
    ];
    for (program, args) in steps {
        if let Err(error) = run(program, args, SETTLE) {
            say(&format!("devices: {error}"));
        }
    }
    if Path::new("/sys/firmware/efi/efivars").is_dir() {
        let _ = run("modprobe", &["-q", "efivarfs"], SETTLE);
        let target = "/sys/firmware/efi/efivars";
        let _ = mount("efivarfs", target, "efivarfs", MountFlags::empty(), c"");
    }
}

/// Starts this program as an ordinary process and takes up every process that ends meanwhile.
fn work_once() {
    let child = match Command::new("/proc/self/exe")
        .arg("serve")
        .env("PATH", SEARCH_PATH)
        .env("HOME", "/root")
        .spawn()
    {
        Ok(child) => child,
        Err(error) => return say(&format!("the work did not start: {error}")),
    };
    let number = i32::try_from(child.id()).unwrap_or(-1);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended.as_raw_nonzero().get() == number => {
                return say(&format!("the work ended ({status:?}); it is started again"));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return say(&format!("waiting for the work: {error}")),
        }
    }
}
