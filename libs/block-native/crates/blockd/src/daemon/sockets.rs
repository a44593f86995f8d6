//! The folder of sockets: for each volume `VOLUME.sock` and `VOLUME.pid`, and
//! `blockd.control.sock`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// Readable and writable by owner and group, as QEMU's group needs it.
const SOCKET_MODE: u32 = 0o660;
/// The control socket's name.
pub const CONTROL: &str = "blockd.control";
/// What the name of a volume's socket for machines ends with. No volume can have a name with a dot.
pub const VHOST: &str = ".vhost";
/// The key of the TCP listener, which has no file. No volume can have a name with a dot.
pub const TCP: &str = "blockd.tcp";

/// A folder that this process alone serves.
pub struct SocketFolder {
    path: PathBuf,
    /// The lock lasts as long as this is open, in whatever process.
    lock: OwnedFd,
    /// Whose the volumes' sockets are; the control socket is always the process's own group's.
    group: Option<u32>,
}

/// The number of a group of this host (group(5)).
///
/// # Errors
/// There is none of that name.
pub fn group_number(name: &str) -> io::Result<u32> {
    let found = |text: &str| {
        let mut fields = text.lines().map(|line| line.split(':'));
        let line = fields.find_map(|mut line| (line.next() == Some(name)).then_some(line));
        line.and_then(|mut line| line.nth(1)).and_then(|number| number.parse().ok())
    };
    found(&fs::read_to_string("/etc/group")?)
        .ok_or_else(|| io::Error::other(format!("this host has no group {name}")))
}

impl SocketFolder {
    /// Makes the folder and locks it.
    ///
    /// # Errors
    /// Another daemon serves it, or what the system says.
    pub fn claim(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let file = path.join("blockd.lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let lock = open(&file, flags, Mode::RUSR | Mode::WUSR)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let message = format!("{} is served by another process: {error}", path.display());
            io::Error::new(io::Error::from(error).kind(), message)
        })?;
        Ok(Self { path: path.to_owned(), lock, group: None })
    }

    /// A folder whose lock another process has handed over.
    #[must_use]
    pub fn inherit(path: &Path, lock: OwnedFd) -> Self {
        Self { path: path.to_owned(), lock, group: None }
    }

    /// Volumes' sockets are this group's, of which the process must be a member.
    #[must_use]
    pub fn with_group(self, group: Option<u32>) -> Self {
        Self { group, ..self }
    }

    /// The lock, to be handed over.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Listens as `NAME.sock`, with this process's id in `NAME.pid`. A socket that an ended daemon
    /// has left there is replaced.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen(&self, name: &str) -> io::Result<OwnedFd> {
        let socket = self.socket(name);
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The socket appears whole under its name, listening and with its mode: whoever sees it
        // can connect.
        let fresh = self.path.join(format!(".{name}.new"));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(SOCKET_MODE))?;
        if name != CONTROL && self.group.is_some() {
            chown(&fresh, None, self.group)?;
        }
        self.write_process_id(name)?;
        fs::rename(&fresh, &socket)?;
        Ok(listener.into())
    }

    /// Writes this process's id beside a socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_process_id(&self, name: &str) -> io::Result<()> {
        let fresh = self.path.join(format!(".{name}.pid.new"));
        fs::write(&fresh, format!("{}\n", std::process::id()))?;
        fs::rename(&fresh, self.path.join(format!("{name}.pid")))
    }

    /// Takes a socket and its process id away; what is not there is no error.
    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.socket(name));
        let _ = fs::remove_file(self.path.join(format!("{name}.pid")));
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.sock"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn volumes_sockets_are_their_group_s_and_the_control_socket_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = fs::metadata(folder.path()).expect("it is there").gid();
        // Only the superuser may give a file to a group that it is no member of.
        let other = if rustix::process::geteuid().is_root() { 60_123 } else { own };
        let sockets = SocketFolder::claim(folder.path()).expect("free").with_group(Some(other));
        for (name, group) in [("vol-a", other), (CONTROL, own)] {
            drop(sockets.listen(name).expect("listens"));
            let found = fs::metadata(sockets.socket(name)).expect("it is there");
            assert_eq!((found.gid(), found.mode() & 0o777), (group, 0o660), "{name}");
        }
        assert_eq!(group_number("root").ok(), Some(0));
        assert!(group_number("no-such-group").is_err());
    }
}
