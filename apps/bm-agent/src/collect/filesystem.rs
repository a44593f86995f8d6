//! File systems and their room, by the mounts of process 1 (proc(5)).
use super::space::{Space, SpaceOfMounts};
use crate::exposition::{Exposition, Family};
use crate::source::Source;
use std::collections::BTreeSet;
use std::io;

/// A metric and the part of a file system's space that it tells.
type SpaceFamily = (Family, fn(&Space) -> f64);

const FAMILIES: [SpaceFamily; 5] = [
    (Family::gauge("node_filesystem_size_bytes", "Filesystem size in bytes."), |space| space.size),
    (Family::gauge("node_filesystem_free_bytes", "Filesystem free space in bytes."), |space| {
        space.free
    }),
    (
        Family::gauge(
            "node_filesystem_avail_bytes",
            "Filesystem space available to non-root users in bytes.",
        ),
        |space| space.available,
    ),
    (Family::gauge("node_filesystem_files", "Filesystem total file nodes."), |space| space.files),
    (Family::gauge("node_filesystem_files_free", "Filesystem total free file nodes."), |space| {
        space.files_free
    }),
];
const READONLY: Family = Family::gauge("node_filesystem_readonly", "Filesystem read-only status.");
const ERROR: Family = Family::gauge(
    "node_filesystem_device_error",
    "Whether an error occurred while getting statistics for the given device.",
);

/// Types that have no room of their own, as `node_exporter` leaves them out without options.
const TYPES_LEFT_OUT: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// Types whose room somebody else on the network has. They are left out: they belong to that
/// system, and asking one that is gone hangs.
const NETWORK_TYPES: [&str; 15] = [
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "smb3", "smbfs",
];

/// Folders below which nothing is told, and folders whose children are not.
const POINTS_LEFT_OUT: [&str; 3] = ["/dev", "/proc", "/sys"];
const CHILDREN_LEFT_OUT: [&str; 3] =
    ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];

/// No machine has more; further lines are not looked at.
const MAXIMUM_MOUNTS: usize = 512;

/// One line of /proc/1/mounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    readonly: bool,
}

/// Tells every file system with room of its own.
///
/// # Errors
/// The list of mounts cannot be read.
pub fn collect(
    source: &Source,
    spaces: &mut SpaceOfMounts,
    text: &mut Exposition,
) -> io::Result<()> {
    // Those of process 1 are the machine's; ours may be a view of it.
    let mounts = source.proc("1/mounts").or_else(|_| source.proc("self/mounts"))?;
    let mounts = read_mounts(&mounts);
    let points: Vec<String> = mounts.iter().map(|mount| mount.point.clone()).collect();
    let spaces = spaces.of(&points);
    for (family, value) in FAMILIES {
        text.family(family);
        for (mount, space) in mounts.iter().zip(&spaces) {
            if let Some(space) = space {
                tell(family, mount, value(space), text);
            }
        }
    }
    text.family(READONLY);
    for mount in &mounts {
        tell(READONLY, mount, f64::from(u8::from(mount.readonly)), text);
    }
    text.family(ERROR);
    for (mount, space) in mounts.iter().zip(&spaces) {
        tell(ERROR, mount, f64::from(u8::from(space.is_none())), text);
    }
    Ok(())
}

fn tell(
    family: Family,
    Mount { device, point, kind, .. }: &Mount,
    value: f64,
    text: &mut Exposition,
) {
    let labels = [("device", &**device), ("fstype", kind), ("mountpoint", point)];
    text.sample(family.name, &labels, value);
}

/// Each mount once; where one hides another, the one on top.
fn read_mounts(mounts: &str) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<Mount> = mounts
        .lines()
        .rev()
        .filter_map(read_line)
        .filter(|mount| {
            seen.insert((mount.device.clone(), mount.point.clone(), mount.kind.clone()))
        })
        .take(MAXIMUM_MOUNTS)
        .collect();
    found.reverse();
    found
}

fn read_line(line: &str) -> Option<Mount> {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().map(unescape);
    let (device, point, kind, options) = (word()?, word()?, word()?, word()?);
    let readonly = options.split(',').any(|option| option == "ro");
    (!is_left_out(&kind, &point)).then_some(Mount { device, point, kind, readonly })
}

fn is_left_out(kind: &str, point: &str) -> bool {
    let below = |folder: &str| {
        point.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let child = |folder: &str| point.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
    TYPES_LEFT_OUT.contains(&kind)
        || NETWORK_TYPES.contains(&kind)
        || kind.starts_with("fuse.")
        || !point.starts_with('/')
        || POINTS_LEFT_OUT.iter().any(|folder| below(folder))
        || CHILDREN_LEFT_OUT.iter().any(|folder| child(folder))
}

/// The kernel writes a blank as `\040`; other such numbers are as good.
fn unescape(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let [first, after @ ..] = rest {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if *first == b'\\' => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    #[test]
    fn what_has_no_room_of_its_own_or_lies_elsewhere_is_left_out() {
        let mounts = "/dev/vda1 / ext4 rw,relatime 0 0\n\
            proc /proc proc rw 0 0\n\
            tmpfs /run tmpfs rw 0 0\n\
            tmpfs /dev/shm tmpfs rw 0 0\n\
            server:/x /home nfs4 rw 0 0\n\
            me@there:/ /far fuse.sshfs rw 0 0\n\
            overlay /var/lib/docker/overlay2/x overlay rw 0 0\n\
            /dev/vdb /devices xfs ro,noatime 0 0\n\
            short line\n";
        let found = read_mounts(mounts);
        let points: Vec<&str> = found.iter().map(|mount| &*mount.point).collect();
        assert_eq!(points, ["/", "/run", "/devices"]);
        assert_eq!(found.iter().map(|m| m.readonly).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn blanks_in_a_mount_point_are_read() {
        assert_eq!(unescape("/a\\040b\\134\\011"), "/a b\\\t");
        assert_eq!(unescape("/a\\04\\999\\"), "/a\\04\\999\\");
    }

    #[test]
    fn a_file_system_mounted_twice_at_a_place_is_told_once() {
        let mounts = "/dev/a /x ext4 rw 0 0\n/dev/b /y ext4 rw 0 0\n/dev/a /x ext4 ro 0 0\n";
        let found = read_mounts(mounts);
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|mount| mount.point == "/x" && mount.readonly));
    }

    proptest! {
        #[test]
        fn any_text_is_read(
            mounts in "((/dev/[a-z\\\\0-9]{0,9} ){0,3}[a-z]{0,5}( (ro|rw),?){0,3}\n|.*\n){0,9}"
        ) {
            for mount in read_mounts(&mounts) {
                prop_assert!(mount.point.starts_with('/'));
            }
        }

        #[test]
        fn what_the_kernel_escapes_comes_back(name in "[ \t\\\\a-z#é]{0,20}") {
            let mut escaped = String::new();
            for character in name.chars() {
                if " \t\\#".contains(character) {
                    write!(escaped, "\\{:03o}", character as u32).unwrap();
                } else {
                    escaped.push(character);
                }
            }
            prop_assert_eq!(unescape(&escaped), name);
        }
    }
}
