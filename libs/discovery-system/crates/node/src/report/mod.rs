//! What this machine is, as the deployment server takes it.

mod bmc;
mod cpu;
mod firmware;
mod memory;
mod nics;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::{self, JoinHandle};

use serde::Serialize;

use crate::disks::{self, Disk};
use crate::dmi::{self, Machine};
use crate::lldp::Neighbour;
use crate::pci::{self, Device, Gpu};
pub use bmc::Bmc;
pub use nics::{boot_nic, links};

/// Neighbours by the name of the link.
pub type Neighbours = BTreeMap<String, Neighbour>;

/// The report, version 1. Source: the schema `DiscoveryReport`.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u8,
    system: System,
    firmware: firmware::Firmware,
    #[serde(skip_serializing_if = "Option::is_none")]
    bmc: Option<Bmc>,
    cpu: cpu::Cpu,
    memory: memory::Memory,
    disks: Vec<Disk>,
    nics: Vec<nics::Nic>,
    gpus: Vec<Gpu>,
    pci: Vec<Device>,
}

#[derive(Debug, Serialize)]
struct System {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
}

/// Asks the BMC beside everything else: its answers take a second, most of it waiting.
#[must_use]
pub fn ask_bmc() -> JoinHandle<Option<Bmc>> {
    thread::spawn(bmc::ask)
}

/// Collects the report from `sys` (sysfs), `proc` and `udev` (`/run/udev`); `pci_ids` is the text
/// of names. Total: what cannot be read is left out.
#[must_use]
pub fn collect(
    sys: &Path,
    proc: &Path,
    udev: &Path,
    pci_ids: &str,
    bmc: Option<Bmc>,
    neighbours: &Neighbours,
) -> Report {
    let machine = machine(sys);
    let names = pci::Names::parse(pci_ids);
    let devices = pci::devices(sys, &names);
    Report {
        version: 1,
        firmware: firmware::firmware(sys, &machine),
        bmc,
        cpu: cpu::cpu(&fs::read_to_string(proc.join("cpuinfo")).unwrap_or_default()),
        memory: memory::memory(
            &machine,
            &fs::read_to_string(proc.join("meminfo")).unwrap_or_default(),
        ),
        disks: disks::disks(sys, udev),
        nics: nics::nics(sys, neighbours),
        gpus: pci::gpus(&devices, &names),
        pci: devices,
        system: System {
            uuid: machine.uuid,
            serial: machine.serial,
            manufacturer: machine.manufacturer,
            product: machine.product,
        },
    }
}

fn machine(sys: &Path) -> Machine {
    let folder = sys.join("firmware/dmi/tables");
    let entry = fs::read(folder.join("smbios_entry_point")).unwrap_or_default();
    let tables = fs::read(folder.join("DMI")).unwrap_or_default();
    dmi::parse(&tables, dmi::entry_point_version(&entry))
}
