//! The firmware's tables of the machine (SMBIOS), as the kernel shows them. Whatever the bytes are,
//! parsing ends and never reads outside of them.
//!
//! Source: DMTF DSP0134, System Management BIOS reference specification 3.7, chapter 7.

use std::fmt::Write;

use crate::word::word_of_bytes;

const STRUCTURES_MAX: usize = 4096;
const MODULES_MAX: usize = 256;
const SIZE_MAX_MIB: u32 = 16_777_216;

/// What the tables say of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Vendor of the firmware, its version and its date.
    pub firmware: [Option<String>; 3],
    /// Small letters, with dashes.
    pub uuid: Option<String>,
    /// Serial number of the system.
    pub serial: Option<String>,
    /// Manufacturer of the system.
    pub manufacturer: Option<String>,
    /// Product name of the system.
    pub product: Option<String>,
    /// Memory devices, those without a module too (their size is 0).
    pub modules: Vec<Module>,
}

/// One memory device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// As it is printed on the board.
    pub slot: String,
    /// 0: nothing is in it.
    pub size_mib: u32,
    /// Such as DDR4.
    pub kind: Option<String>,
    /// Megatransfers a second, as configured or else as the module can.
    pub speed_mts: Option<u16>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// The maker's name for it.
    pub part_number: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
}

/// Reads the tables; `version` is of the entry point, as (major, minor). Total.
#[must_use]
pub fn parse(tables: &[u8], version: (u8, u8)) -> Machine {
    let mut machine = Machine::default();
    let mut rest = tables;
    for _ in 0..STRUCTURES_MAX {
        let Some((structure, after)) = Structure::split(rest) else { break };
        rest = after;
        match structure.kind() {
            0 => machine.firmware = [4, 5, 8].map(|at| structure.text(at)),
            1 => {
                machine.manufacturer = structure.text(4);
                machine.product = structure.text(5);
                machine.serial = structure.text(7);
                machine.uuid = structure.uuid(version);
            }
            17 if machine.modules.len() < MODULES_MAX => machine.modules.push(structure.module()),
            127 => break,
            _ => {}
        }
    }
    machine
}

/// Version of the entry point, of 32 or of 64 bits: (0, 0) for what is neither.
#[must_use]
pub fn entry_point_version(entry: &[u8]) -> (u8, u8) {
    let at = |index: usize| entry.get(index).copied().unwrap_or(0);
    if entry.starts_with(b"_SM3_") {
        (at(7), at(8))
    } else if entry.starts_with(b"_SM_") {
        (at(6), at(7))
    } else {
        (0, 0)
    }
}

/// One structure: its formatted part and the strings behind it.
struct Structure<'a> {
    formatted: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Structure<'a> {
    /// The first structure and what follows it. The strings end with two zeros.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(*bytes.get(1)?);
        if length < 4 {
            return None;
        }
        let formatted = bytes.get(..length)?;
        let behind = bytes.get(length..)?;
        let end = behind.windows(2).position(|pair| pair == [0, 0])?;
        let strings = behind.get(..end)?;
        Some((Self { formatted, strings }, behind.get(end + 2..)?))
    }

    fn kind(&self) -> u8 {
        self.formatted.first().copied().unwrap_or(127)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn half(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }

    fn whole(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.half(at)?) | u32::from(self.half(at + 2)?) << 16)
    }

    /// The string whose number (from 1) stands at `at`; boards fill unknown ones with these words.
    fn text(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?).checked_sub(1)?;
        let text = word_of_bytes(self.strings.split(|byte| *byte == 0).nth(number)?)?;
        let lower = text.to_ascii_lowercase();
        let empty = ["not specified", "none", "unknown", "to be filled by o.e.m.", "no dimm"];
        (!empty.contains(&lower.as_str())).then_some(text)
    }

    /// From version 2.6 on the first three fields are little endian.
    fn uuid(&self, version: (u8, u8)) -> Option<String> {
        let mut bytes: [u8; 16] = self.formatted.get(8..24)?.try_into().ok()?;
        if bytes == [0; 16] || bytes == [0xff; 16] {
            return None;
        }
        if version >= (2, 6) {
            bytes[..4].reverse();
            bytes[4..6].reverse();
            bytes[6..8].reverse();
        }
        let mut text = String::new();
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let _ = write!(text, "{byte:02x}");
        }
        Some(text)
    }

    fn module(&self) -> Module {
        let slot = self.text(0x10).or_else(|| self.text(0x11));
        let speed = |at| self.half(at).filter(|speed| *speed != 0 && *speed != 0xffff);
        Module {
            slot: slot.unwrap_or_else(|| "unnamed".to_owned()),
            size_mib: self.size_mib().min(SIZE_MAX_MIB),
            kind: self.byte(0x12).and_then(memory_kind).map(str::to_owned),
            speed_mts: speed(0x20).or_else(|| speed(0x15)),
            manufacturer: self.text(0x17),
            serial: self.text(0x18),
            part_number: self.text(0x1a),
        }
    }

    fn size_mib(&self) -> u32 {
        match self.half(0x0c) {
            None | Some(0 | 0xffff) => 0,
            Some(0x7fff) => self.whole(0x1c).unwrap_or(0) & 0x7fff_ffff,
            Some(size) if size & 0x8000 != 0 => u32::from(size & 0x7fff) / 1024,
            Some(size) => u32::from(size),
        }
    }
}

fn memory_kind(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x07 => "RAM",
        0x0f => "SDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x1f => "Logical non-volatile device",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}
