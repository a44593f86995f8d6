use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Neighbours;
use crate::lldp::Neighbour;
use crate::pci::{driver_of, is_address};

const NICS_MAX: usize = 256;
/// `ARPHRD_ETHER` of `linux/if_arp.h`.
const ETHERNET: &str = "1";
const SPEED_MAX_MBPS: u32 = 10_000_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Nic {
    name: String,
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pci_address: Option<String>,
    link: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_mbps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbour: Option<Neighbour>,
}

/// Ethernet devices that are hardware, in the order of their names.
pub fn nics(sys: &Path, neighbours: &Neighbours) -> Vec<Nic> {
    let mut nics: Vec<Nic> = fs::read_dir(sys.join("class/net"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| nic(&entry.path(), neighbours))
        .collect();
    nics.sort_by(|one, other| one.name.cmp(&other.name));
    nics.truncate(NICS_MAX);
    nics
}

/// Name and whether it has a link, of the NIC with the address.
#[must_use]
pub fn boot_nic(sys: &Path, mac: Option<&str>) -> Option<(String, bool)> {
    let nics = nics(sys, &Neighbours::new());
    let wanted = match mac {
        Some(mac) => nics.into_iter().find(|nic| nic.mac == mac),
        // Without a word of the loader: the first with a link.
        None => nics.into_iter().find(|nic| nic.link),
    };
    wanted.map(|nic| (nic.name, nic.link))
}

/// Which NICs have a link.
#[must_use]
pub fn links(sys: &Path) -> BTreeMap<String, bool> {
    let nics = nics(sys, &Neighbours::new());
    nics.into_iter().map(|nic| (nic.name, nic.link)).collect()
}

fn nic(folder: &Path, neighbours: &Neighbours) -> Option<Nic> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let read =
        |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    let device = fs::canonicalize(folder.join("device")).ok()?;
    if read("type")? != ETHERNET {
        return None;
    }
    let mac = read("address").filter(|mac| mac.len() == 17)?.to_ascii_lowercase();
    let speed = read("speed").and_then(|speed| speed.parse::<u32>().ok());
    Some(Nic {
        mac,
        driver: driver_of(&device),
        pci_address: pci_address(&device),
        link: read("carrier").as_deref() == Some("1"),
        // -1 and its image in 32 bits: unknown.
        speed_mbps: speed.filter(|speed| *speed <= SPEED_MAX_MBPS),
        neighbour: neighbours.get(&name).cloned(),
        name,
    })
}

/// The PCI device that a device is or hangs on (virtio's own device lies below it).
fn pci_address(device: &Path) -> Option<String> {
    let mut names = device.ancestors().filter_map(|path| path.file_name()?.to_str());
    names.find(|name| is_address(name)).map(str::to_owned)
}
