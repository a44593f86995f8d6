//! The neighbour on a link: what a switch says of itself by LLDP. Whatever the bytes are, parsing
//! ends and never reads outside of them.
//!
//! Source: IEEE 802.1AB-2016, clause 8 (TLVs) and 802.1Q annex D.2.1 (port VLAN).

use serde::Serialize;

use crate::word::word_of_bytes;

/// Where LLDP is sent: the nearest bridge, never forwarded.
pub const ETHER_TYPE: u16 = 0x88cc;

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// Of the switch.
    pub chassis_id: String,
    /// Of its port.
    pub port_id: String,
    /// Name of the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_name: Option<String>,
    /// What the operator of the switch wrote at the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_description: Option<String>,
    /// The VLAN of untagged frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// Reads a whole Ethernet frame; `None` for what is not LLDP or lacks what every frame must have.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Neighbour> {
    if frame.get(12..14)? != ETHER_TYPE.to_be_bytes() {
        return None;
    }
    let mut rest = frame.get(14..)?;
    let mut chassis_id = None;
    let mut port_id = None;
    let mut system_name = None;
    let mut port_description = None;
    let mut vlan = None;
    // Each round takes at least the two bytes of a head, so this ends.
    while let Some((kind, value, after)) = split(rest) {
        rest = after;
        match kind {
            0 => break,
            1 if chassis_id.is_none() => chassis_id = identifier(value, 4, 5),
            2 if port_id.is_none() => port_id = identifier(value, 3, 4),
            4 => port_description = word_of_bytes(value),
            5 => system_name = word_of_bytes(value),
            127 if value.get(..4) == Some(&[0x00, 0x80, 0xc2, 0x01]) => {
                let number = value.get(4..6).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
                vlan = number.filter(|number| (1..=4095).contains(number));
            }
            _ => {}
        }
    }
    Some(Neighbour {
        chassis_id: chassis_id?,
        port_id: port_id?,
        system_name,
        port_description,
        vlan,
    })
}

fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let head = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    let length = usize::from(head & 0x1ff);
    let kind = u8::try_from(head >> 9).ok()?;
    Some((kind, bytes.get(2..2 + length)?, bytes.get(2 + length..)?))
}

/// The subtypes of addresses differ between chassis and port; all others are text.
fn identifier(value: &[u8], mac_subtype: u8, address_subtype: u8) -> Option<String> {
    let (subtype, id) = value.split_first()?;
    if *subtype == mac_subtype && id.len() == 6 {
        let parts: Vec<_> = id.iter().map(|byte| format!("{byte:02x}")).collect();
        return Some(parts.join(":"));
    }
    if *subtype == address_subtype {
        return match id {
            [1, a, b, c, d] => Some(format!("{a}.{b}.{c}.{d}")),
            [2, address @ ..] => {
                let address: [u8; 16] = address.try_into().ok()?;
                Some(std::net::Ipv6Addr::from(address).to_string())
            }
            _ => word_of_bytes(id),
        };
    }
    word_of_bytes(id)
}
