//! The new system while it is put together: what is mounted, and programs that run inside of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, unmount};
use rustix::process::{Pid, Signal, kill_process};

use super::storage::kind_of;
use crate::exec::{Output, run_command};
use crate::failure::{Failure, Tried};

const RESOLVER: &str = "/run/purlin/resolv.conf";
const AUTHORITY: &str = "/etc/purlin/ca.pem";
/// Mounts are unmounted from the last to the first; more than these are somebody's loop.
const MOUNTS_MAX: usize = 1000;

/// A tree that becomes a system of its own.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    is_entered: bool,
    resolver: Resolver,
}

/// The new system's `resolv.conf` while ours stands in its place.
#[derive(Debug)]
enum Resolver {
    /// It is a link into `/run`, or nothing was lent yet.
    Untouched,
    /// It held this.
    Lent(Vec<u8>),
    /// It was not there.
    Made,
}

impl System {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), is_entered: false, resolver: Resolver::Untouched }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Mounts a device at a path of the new system.
    pub fn mount(&self, device: &Path, path: &str) -> Result<(), Failure> {
        let target = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(&target).tried(|| format!("folder {}", target.display()))?;
        let kind = kind_of(device)?;
        mount(device, &target, kind.as_str(), MountFlags::empty(), None)
            .tried(|| format!("mounting {} ({kind}) on {}", device.display(), target.display()))
    }

    /// Runs a program inside, with its own environment.
    pub fn run(
        &mut self,
        program: &str,
        args: &[&str],
        deadline: Duration,
    ) -> Result<Output, Failure> {
        self.enter()?;
        let mut command = Command::new("busybox");
        command.arg("chroot").arg(&self.root).arg(program).args(args).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/root").env("LC_ALL", "C.UTF-8").env("TERM", "dumb");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        if Path::new(AUTHORITY).exists() {
            command.env("CURL_CA_BUNDLE", "/run/purlin/ca.pem");
        }
        run_command(command, "", deadline)
    }

    /// Runs a script inside; its text is in a memory file system and never on the disk.
    pub fn run_script(&mut self, script: &str, deadline: Duration) -> Result<(), Failure> {
        self.enter()?;
        let path = self.root.join("run/purlin/script.sh");
        fs::write(&path, script).tried(|| format!("writing {}", path.display()))?;
        self.run("sh", &["/run/purlin/script.sh"], deadline).map(|_| ())
    }

    /// Whether a program is in the new system.
    pub fn has(&self, program: &str) -> bool {
        ["usr/sbin", "usr/bin", "sbin", "bin"]
            .iter()
            .any(|folder| self.root.join(folder).join(program).symlink_metadata().is_ok())
    }

    /// Gives the new system the kernel's file systems, a `/run` of its own and name servers.
    fn enter(&mut self) -> Result<(), Failure> {
        if self.is_entered {
            return Ok(());
        }
        for name in ["dev", "proc", "sys"] {
            let target = self.folder(name)?;
            mount_bind_recursive(Path::new("/").join(name), &target)
                .tried(|| format!("binding /{name}"))?;
        }
        let target = self.folder("run")?;
        mount("tmpfs", &target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
            .tried(|| format!("mounting {}", target.display()))?;
        let target = self.folder("run/udev")?;
        mount_bind_recursive("/run/udev", &target).tried(|| "binding /run/udev".to_owned())?;
        let own = self.folder("run/purlin")?;
        if Path::new(AUTHORITY).exists() {
            fs::copy(AUTHORITY, own.join("ca.pem")).tried(|| "copying the authority".to_owned())?;
        }
        self.is_entered = true;
        self.lend_resolver()
    }

    fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).tried(|| format!("folder {}", path.display()))?;
        Ok(path)
    }

    /// The name servers of this system, as long as the new one is put together. A link leads below
    /// `/run`, which goes with us; a file is put back.
    fn lend_resolver(&mut self) -> Result<(), Failure> {
        let servers = fs::read(RESOLVER).unwrap_or_default();
        if servers.is_empty() {
            return Ok(());
        }
        let path = self.root.join("etc/resolv.conf");
        let place = if let Ok(target) = fs::read_link(&path) {
            let target = target.to_string_lossy();
            let Some((_, below)) = target.split_once("run/") else { return Ok(()) };
            let is_clean = !below.split('/').any(|part| part == "..");
            let place = self.root.join("run").join(below);
            let Some(parent) = place.parent().filter(|_| is_clean) else { return Ok(()) };
            fs::create_dir_all(parent).tried(|| format!("folder {}", parent.display()))?;
            place
        } else {
            self.resolver = match fs::read(&path) {
                Ok(bytes) => Resolver::Lent(bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => Resolver::Made,
                Err(error) => return Err(Failure(format!("{}: {error}", path.display()))),
            };
            path
        };
        fs::write(&place, servers).tried(|| format!("writing {}", place.display()))
    }

    /// Puts the resolver's file back unless a script wrote its own meanwhile.
    fn take_resolver_back(&mut self) -> Result<(), Failure> {
        let before = std::mem::replace(&mut self.resolver, Resolver::Untouched);
        let path = self.root.join("etc/resolv.conf");
        if fs::read(&path).ok() != fs::read(RESOLVER).ok() {
            return Ok(());
        }
        match before {
            Resolver::Untouched => Ok(()),
            Resolver::Lent(bytes) => fs::write(&path, bytes),
            Resolver::Made => fs::remove_file(&path),
        }
        .tried(|| format!("restoring {}", path.display()))
    }

    /// Services that a package started inside would keep the file systems in use.
    fn end_processes(&self) {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let root = fs::read_link(entry.path().join("root"));
            if !root.is_ok_and(|root| root.starts_with(&self.root)) {
                continue;
            }
            let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            if let Some(process) = number.and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }

    /// Unmounts everything, the last mount first; what is written is on the disks then.
    pub fn leave(&mut self) -> Result<(), Failure> {
        self.take_resolver_back()?;
        self.is_entered = false;
        self.end_processes();
        rustix::fs::sync();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for path in mounts_below(&mounts, &self.root).iter().rev().take(MOUNTS_MAX) {
            unmount(path, UnmountFlags::NOFOLLOW)
                .tried(|| format!("unmounting {}", path.display()))?;
        }
        Ok(())
    }
}

/// Mount points at and below a folder, in the order in which they were mounted.
fn mounts_below(mounts: &str, root: &Path) -> Vec<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    // The kernel writes a space in a path as \040, and only clean paths are mounted here.
    points.map(PathBuf::from).filter(|point| point.starts_with(root)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::mounts_below;

    #[test]
    fn mounts_below_the_system_and_no_others_are_found_in_their_order() {
        let mounts = "a / ext4 rw 0 0\nb /mnt/system ext4 rw 0 0\nc /mnt/systematic x rw 0 0\n\
                      d /mnt/system/boot ext4 rw 0 0\n";
        let expected = ["/mnt/system", "/mnt/system/boot"].map(PathBuf::from);
        assert_eq!(mounts_below(mounts, Path::new("/mnt/system")), expected);
    }
}
