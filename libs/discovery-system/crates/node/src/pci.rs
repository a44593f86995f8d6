//! PCI devices and their names.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::word::word;

const DEVICES_MAX: usize = 2048;
const GPUS_MAX: usize = 64;
/// Display controllers of BMCs (ASPEED, Matrox) draw consoles and compute nothing.
const CONSOLE_VENDORS: [&str; 2] = ["1a03", "102b"];

/// A device on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Domain, bus, slot, function.
    pub address: String,
    /// Six hexadecimal digits.
    pub class: String,
    /// Four hexadecimal digits.
    pub vendor_id: String,
    /// Four hexadecimal digits.
    pub device_id: String,
    /// Maker and name by `pci.ids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// A display or compute adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    /// Domain, bus, slot, function.
    pub pci_address: String,
    /// Its maker.
    pub vendor: String,
    /// Its name.
    pub model: String,
}

/// Names by vendor, and by vendor and device.
#[derive(Debug, Default)]
pub struct Names {
    vendors: HashMap<String, String>,
    devices: HashMap<(String, String), String>,
}

impl Names {
    /// Reads the text of `pci.ids`: vendors at the start of a line, devices behind one tab. The
    /// classes at the end begin with `C ` and have no names for us.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut names = Self::default();
        let mut vendor: Option<String> = None;
        for line in text.lines() {
            if line.starts_with('#') || line.is_empty() || line.starts_with("\t\t") {
                continue;
            }
            let (id, name) = line.trim_start().split_once("  ").unwrap_or((line, ""));
            let is_id = id.len() == 4 && id.bytes().all(|letter| letter.is_ascii_hexdigit());
            if let Some(vendor) = vendor.as_ref().filter(|_| line.starts_with('\t')) {
                if is_id {
                    names.devices.insert((vendor.clone(), id.to_owned()), name.to_owned());
                }
            } else if is_id && !line.starts_with('\t') {
                names.vendors.insert(id.to_owned(), name.to_owned());
                vendor = Some(id.to_owned());
            } else {
                vendor = None;
            }
        }
        names
    }

    fn vendor(&self, vendor: &str) -> Option<String> {
        word(self.vendors.get(vendor)?)
    }

    fn device(&self, vendor: &str, device: &str) -> Option<String> {
        word(self.devices.get(&(vendor.to_owned(), device.to_owned()))?)
    }
}

/// The devices below `sys` (the root of sysfs), in the order of their addresses.
#[must_use]
pub fn devices(sys: &Path, names: &Names) -> Vec<Device> {
    let mut devices: Vec<Device> = fs::read_dir(sys.join("bus/pci/devices"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| device(&entry.path(), names))
        .collect();
    devices.sort_by(|one, other| one.address.cmp(&other.address));
    devices.truncate(DEVICES_MAX);
    devices
}

fn device(folder: &Path, names: &Names) -> Option<Device> {
    let address = folder.file_name()?.to_str()?.to_owned();
    if !is_address(&address) {
        return None;
    }
    let hexadecimal = |name: &str, digits: usize| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        let text = text.trim().strip_prefix("0x")?.to_ascii_lowercase();
        let is_whole = text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit());
        is_whole.then_some(text)
    };
    let (vendor_id, device_id) = (hexadecimal("vendor", 4)?, hexadecimal("device", 4)?);
    let description = match (names.vendor(&vendor_id), names.device(&vendor_id, &device_id)) {
        (Some(vendor), Some(device)) => word(&format!("{vendor} {device}")),
        (vendor, device) => vendor.or(device),
    };
    Some(Device {
        class: hexadecimal("class", 6)?,
        driver: driver_of(folder),
        address,
        vendor_id,
        device_id,
        description,
    })
}

/// The driver that a device's folder links to.
#[must_use]
pub fn driver_of(folder: &Path) -> Option<String> {
    let target = fs::read_link(folder.join("driver")).ok()?;
    word(target.file_name()?.to_str()?)
}

/// Whether a text is an address as the kernel writes it, such as `0000:00:1f.2`.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((domain, rest)) = text.split_once(':') else { return false };
    let bytes = rest.as_bytes();
    let is_hexadecimal = |text: &str| {
        text.bytes().all(|letter| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter))
    };
    (4..=8).contains(&domain.len())
        && is_hexadecimal(domain)
        && bytes.len() == 7
        && rest.is_ascii()
        && is_hexadecimal(&rest[0..2])
        && bytes[2] == b':'
        && is_hexadecimal(&rest[3..5])
        && bytes[5] == b'.'
        && (b'0'..=b'7').contains(&bytes[6])
}

/// Display adapters (class 03) among the devices, without those of BMCs.
#[must_use]
pub fn gpus(devices: &[Device], names: &Names) -> Vec<Gpu> {
    let is_gpu = |device: &&Device| {
        device.class.starts_with("03") && !CONSOLE_VENDORS.contains(&device.vendor_id.as_str())
    };
    let gpus = devices.iter().filter(is_gpu).map(|device| Gpu {
        pci_address: device.address.clone(),
        vendor: names.vendor(&device.vendor_id).unwrap_or_else(|| device.vendor_id.clone()),
        model: names
            .device(&device.vendor_id, &device.device_id)
            .unwrap_or_else(|| device.device_id.clone()),
    });
    gpus.take(GPUS_MAX).collect()
}
