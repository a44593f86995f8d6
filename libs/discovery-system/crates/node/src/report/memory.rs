use serde::Serialize;

use crate::dmi::{Machine, Module};

#[derive(Debug, Serialize)]
pub struct Memory {
    #[serde(rename = "sizeMiB")]
    size_mib: u64,
    modules: Vec<ReportedModule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedModule {
    slot: String,
    #[serde(rename = "sizeMiB")]
    size_mib: u32,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_mts: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
}

const SIZE_MAX_MIB: u64 = 268_435_456;

/// What is plugged in by the firmware's tables, or else what the kernel uses.
pub fn memory(machine: &Machine, meminfo: &str) -> Memory {
    let plugged: u64 = machine.modules.iter().map(|module| u64::from(module.size_mib)).sum();
    let size_mib = if plugged > 0 { plugged } else { used_mib(meminfo) };
    Memory {
        size_mib: size_mib.clamp(1, SIZE_MAX_MIB),
        modules: machine.modules.iter().cloned().map(reported).collect(),
    }
}

fn used_mib(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn reported(module: Module) -> ReportedModule {
    let Module { slot, size_mib, kind, speed_mts, manufacturer, part_number, serial } = module;
    ReportedModule { slot, size_mib, kind, speed_mts, manufacturer, part_number, serial }
}
