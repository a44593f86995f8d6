//! Bytes of firmware and of the wire: whatever they are, parsing ends and says nothing unbounded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use purlin_node::dmi::{self, Machine};
use purlin_node::lldp::{self, Neighbour};
use purlin_node::word::word;

const ROUNDS: usize = 20_000;

/// A structure: its formatted part with the length filled in, then its strings.
fn structure(kind: u8, fields: &[(usize, &[u8])], length: u8, strings: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(length)];
    bytes[0] = kind;
    bytes[1] = length;
    for (at, value) in fields {
        bytes[*at..*at + value.len()].copy_from_slice(value);
    }
    for text in strings {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    if strings.is_empty() {
        bytes.push(0);
    }
    bytes.push(0);
    bytes
}

fn tables() -> Vec<u8> {
    let uuid: Vec<u8> = (0x10..0x20).collect();
    [
        structure(0, &[(4, &[1, 2]), (8, &[3])], 0x18, &["Vendor", "1.2", "01/02/2024"]),
        structure(1, &[(4, &[1, 2]), (7, &[3]), (8, &uuid)], 0x1b, &["ACME", "Box", "S-1"]),
        structure(
            17,
            &[
                (0x0c, &0x4000_u16.to_le_bytes()),
                (0x10, &[1]),
                (0x12, &[0x1a]),
                (0x15, &3200_u16.to_le_bytes()),
                (0x17, &[2, 3, 0, 4]),
            ],
            0x28,
            &["DIMM A1", "Maker", "77", "Part-9"],
        ),
        structure(17, &[(0x10, &[1])], 0x28, &["DIMM A2"]),
        structure(
            17,
            &[(0x0c, &0x7fff_u16.to_le_bytes()), (0x10, &[1]), (0x1c, &65_536_u32.to_le_bytes())],
            0x28,
            &["DIMM B1"],
        ),
        structure(127, &[], 4, &[]),
        structure(1, &[(4, &[1])], 0x1b, &["after the end"]),
    ]
    .concat()
}

fn frame() -> Vec<u8> {
    let mut bytes = vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 2, 2, 2, 2, 2, 0x88, 0xcc];
    for (kind, value) in [
        (1_u8, &b"\x04\x02\x00\x00\x00\x00\x09"[..]),
        (2, b"\x05ge-0/0/7"),
        (3, b"\x00\x78"),
        (4, b"rack 4\x00"),
        (5, b"switch-1"),
        (127, b"\x00\x80\xc2\x01\x00\x64"),
        (0, b""),
        (5, b"after the end"),
    ] {
        let length = u8::try_from(value.len()).unwrap();
        bytes.extend([kind << 1, length]);
        bytes.extend(value);
    }
    bytes
}

#[test]
fn the_tables_of_a_machine_are_read_up_to_their_end() {
    let machine = dmi::parse(&tables(), (3, 2));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(machine.firmware, [some("Vendor"), some("1.2"), some("01/02/2024")]);
    assert_eq!(machine.uuid, some("13121110-1514-1716-1819-1a1b1c1d1e1f"));
    assert_eq!((machine.manufacturer, machine.product), (some("ACME"), some("Box")));
    assert_eq!(machine.serial, some("S-1"));
    let sizes: Vec<_> = machine.modules.iter().map(|module| module.size_mib).collect();
    assert_eq!(sizes, [16_384, 0, 65_536]);
    let first = &machine.modules[0];
    assert_eq!((first.kind.as_deref(), first.speed_mts), (Some("DDR4"), Some(3200)));
    assert_eq!(first.part_number, some("Part-9"));
}

#[test]
fn before_version_2_6_the_uuid_stands_as_it_is_shown() {
    let uuid = dmi::parse(&tables(), (2, 5)).uuid;
    assert_eq!(uuid.as_deref(), Some("10111213-1415-1617-1819-1a1b1c1d1e1f"));
}

#[test]
fn the_version_comes_from_either_entry_point() {
    assert_eq!(dmi::entry_point_version(b"_SM3_\0\x18\x03\x02\0"), (3, 2));
    assert_eq!(dmi::entry_point_version(b"_SM_\0\x1f\x02\x08"), (2, 8));
    assert_eq!(dmi::entry_point_version(b""), (0, 0));
}

#[test]
fn a_switch_is_read_from_its_announcement() {
    let expected = Neighbour {
        chassis_id: "02:00:00:00:00:09".to_owned(),
        port_id: "ge-0/0/7".to_owned(),
        system_name: Some("switch-1".to_owned()),
        port_description: Some("rack 4".to_owned()),
        vlan: Some(100),
    };
    assert_eq!(lldp::parse(&frame()), Some(expected));
}

#[test]
fn frames_that_lack_an_identity_or_are_of_another_kind_are_nobody() {
    let whole = frame();
    for length in 0..24 {
        assert_eq!(lldp::parse(&whole[..length]), None);
    }
    let mut other = whole;
    other[12] = 0x08;
    assert_eq!(lldp::parse(&other), None);
}

#[test]
fn damaged_tables_are_read_to_an_end_within_bounds() {
    let mut random = fastrand::Rng::with_seed(0x5b_05);
    for _ in 0..ROUNDS {
        let bytes = damaged(&mut random, tables());
        check_machine(&dmi::parse(&bytes, (random.u8(..4), random.u8(..10))));
    }
    // Nothing but heads: as many structures as fit into the largest tables.
    let heads = [17_u8, 4, 0, 0, 0, 0].repeat(20_000);
    check_machine(&dmi::parse(&heads, (3, 0)));
}

#[test]
fn damaged_frames_are_read_to_an_end_within_bounds() {
    let mut random = fastrand::Rng::with_seed(0x11_dd);
    for _ in 0..ROUNDS {
        let Some(neighbour) = lldp::parse(&damaged(&mut random, frame())) else { continue };
        let Neighbour { chassis_id, port_id, system_name, port_description, vlan } = neighbour;
        for text in [Some(chassis_id), Some(port_id), system_name, port_description] {
            check_word(text.as_deref());
        }
        assert!(vlan.is_none_or(|vlan| (1..=4095).contains(&vlan)));
    }
}

/// Exchanges, removes and repeats bytes, or makes all of them up.
fn damaged(random: &mut fastrand::Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    if random.u8(..8) == 0 {
        let length = random.usize(..600);
        return std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    }
    for _ in 0..random.usize(1..12) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] = [0, 0xff, 0x7f, 0x80][random.usize(..4)],
            2 => {
                bytes.remove(at);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn check_machine(machine: &Machine) {
    assert!(machine.modules.len() <= 256);
    let Machine { firmware, uuid, serial, manufacturer, product, modules } = machine;
    for text in firmware.iter().chain([serial, manufacturer, product]) {
        check_word(text.as_deref());
    }
    assert!(uuid.as_ref().is_none_or(|uuid| uuid.len() == 36));
    for module in modules {
        assert!(module.size_mib <= 16_777_216 && !module.slot.is_empty());
        for text in [&module.manufacturer, &module.part_number, &module.serial] {
            check_word(text.as_deref());
        }
        check_word(Some(&module.slot));
    }
}

/// What the report takes is what it would make of it again.
fn check_word(text: Option<&str>) {
    if let Some(text) = text {
        assert_eq!(word(text).as_deref(), Some(text));
    }
}
