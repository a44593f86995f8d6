//! Bonds and how many of their members carry, from /sys (Documentation/networking/bonding.rst).
use crate::exposition::{Exposition, Family};
use crate::source::Source;
use std::io;

const SLAVES: Family =
    Family::gauge("node_bonding_slaves", "Number of configured slaves per bonding interface.");
const ACTIVE: Family =
    Family::gauge("node_bonding_active", "Number of active slaves per bonding interface.");

/// No machine has more bonds, no bond more members.
const MAXIMUM_NAMES: usize = 256;

/// A bond, its members, and how many of them are up.
struct Bond {
    name: String,
    slaves: f64,
    active: f64,
}

/// Tells every bond; nothing where the kernel has no bonding.
///
/// # Errors
/// None: what is not there is no bond.
#[allow(clippy::unnecessary_wraps)] // As the other parts.
pub fn collect(source: &Source, text: &mut Exposition) -> io::Result<()> {
    let bonds: Vec<Bond> = names(source.value("class/net/bonding_masters"))
        .into_iter()
        .map(|name| read_bond(source, name))
        .collect();
    for (family, of) in [(SLAVES, (|bond| bond.slaves) as fn(&Bond) -> f64), (ACTIVE, |b| b.active)]
    {
        if !bonds.is_empty() {
            text.family(family);
        }
        for bond in &bonds {
            text.sample(family.name, &[("master", &bond.name)], of(bond));
        }
    }
    Ok(())
}

fn read_bond(source: &Source, name: String) -> Bond {
    let slaves = names(source.value(&format!("class/net/{name}/bonding/slaves")));
    let up = |slave: &&String| {
        let state = format!("class/net/{name}/lower_{slave}/bonding_slave/mii_status");
        source.value(&state).is_some_and(|state| state == "up")
    };
    let active = count(slaves.iter().filter(up).count());
    Bond { slaves: count(slaves.len()), active, name }
}

/// Names of interfaces; a name with a slash would lead out of the folder and is none.
fn names(list: Option<String>) -> Vec<String> {
    list.unwrap_or_default()
        .split_ascii_whitespace()
        .filter(|name| !name.contains('/') && !name.starts_with('.'))
        .take(MAXIMUM_NAMES)
        .map(str::to_owned)
        .collect()
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::network;
    use std::fs::{create_dir_all, write};

    /// A folder that is gone with the test.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let name = format!("purlin-bm-agent-sys-{}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            for (path, text) in files {
                let path = folder.0.join(path);
                create_dir_all(path.parent().unwrap()).unwrap();
                write(path, text).unwrap();
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_bond_whose_member_has_no_link_is_told_with_one_active_and_the_interfaces_as_they_are() {
        let folder = Folder::with(&[
            ("proc/net/dev", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"),
            ("sys/class/net/bonding_masters", "bond0 ../../etc\n"),
            ("sys/class/net/bond0/bonding/slaves", "eth0 eth1\n"),
            ("sys/class/net/bond0/lower_eth0/bonding_slave/mii_status", "up\n"),
            ("sys/class/net/bond0/lower_eth1/bonding_slave/mii_status", "down\n"),
            ("sys/class/net/bond0/operstate", "up\n"),
            ("sys/class/net/bond0/speed", "1000\n"),
            ("sys/class/net/eth1/operstate", "down\n"),
            ("sys/class/net/eth1/speed", "-1\n"),
            ("sys/class/net/eth1/address", "52:54:00:88:00:08\n"),
        ]);
        let source = Source::below(&folder.0);
        let mut text = Exposition::default();
        collect(&source, &mut text).unwrap();
        network::collect(&source, &mut text).unwrap();
        let text = text.finish().0;
        for line in [
            "node_bonding_slaves{master=\"bond0\"} 2",
            "node_bonding_active{master=\"bond0\"} 1",
            "node_network_up{device=\"bond0\"} 1",
            "node_network_up{device=\"eth1\"} 0",
            "node_network_speed_bytes{device=\"bond0\"} 125000000",
            "node_network_speed_bytes{device=\"eth1\"} -125000",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}");
        }
        assert!(text.contains("address=\"52:54:00:88:00:08\",broadcast=\"\",device=\"eth1\""));
        assert!(!text.contains("etc") && !text.contains("device=\"bonding_masters\""));
    }
}
