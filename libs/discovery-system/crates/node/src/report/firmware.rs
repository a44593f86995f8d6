use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::dmi::Machine;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Firmware {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure_boot: Option<bool>,
}

/// The global variables of UEFI. Source: UEFI specification 2.10, chapter 3.3.
const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// By which firmware this system was started, and whether it checks what it starts.
pub fn firmware(sys: &Path, machine: &Machine) -> Firmware {
    let efi = sys.join("firmware/efi");
    let [vendor, version, release_date] = machine.firmware.clone();
    // Four bytes of attributes come before the value.
    let variable = fs::read(efi.join("efivars").join(SECURE_BOOT)).ok();
    Firmware {
        mode: if efi.exists() { "uefi" } else { "bios" },
        vendor,
        version,
        release_date,
        secure_boot: variable.and_then(|bytes| bytes.get(4).map(|byte| *byte == 1)),
    }
}
