use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::exec::run;
use crate::word::word;

/// A BMC on a slow interface answers in seconds; one that hangs must not hold up the report.
const DEADLINE: Duration = Duration::from_secs(10);
const DEVICE_WAIT: Duration = Duration::from_secs(2);

/// The management controller as it is seen from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bmc {
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
}

/// Asks the BMC over the machine's own interface; `None` when there is none or it does not answer.
pub fn ask() -> Option<Bmc> {
    run("modprobe", &["-qa", "ipmi_si", "ipmi_devintf"], DEADLINE).ok()?;
    let end = Instant::now() + DEVICE_WAIT;
    if !Path::new("/sys/class/ipmi").read_dir().is_ok_and(|mut all| all.next().is_some()) {
        return None;
    }
    while !Path::new("/dev/ipmi0").exists() {
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let controller = run("ipmitool", &["mc", "info"], DEADLINE).ok()?;
    let lan = run("ipmitool", &["lan", "print"], DEADLINE).unwrap_or_default();
    Some(interpret(&controller, &lan))
}

/// Reads what `ipmitool mc info` and `ipmitool lan print` say.
fn interpret(controller: &str, lan: &str) -> Bmc {
    let address = field(lan, "IP Address").filter(|address| *address != "0.0.0.0");
    let mac = field(lan, "MAC Address").filter(|mac| is_mac(mac) && *mac != "00:00:00:00:00:00");
    let manufacturer = field(controller, "Manufacturer ID").and_then(|id| id.parse().ok());
    Bmc {
        manufacturer_id: manufacturer.filter(|id| *id <= 0xff_ff_ff),
        firmware_version: field(controller, "Firmware Revision").and_then(word),
        address: address.and_then(word),
        mac: mac.map(str::to_ascii_lowercase),
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

fn is_mac(text: &str) -> bool {
    let mut parts = text.split(':');
    let are_bytes = parts
        .by_ref()
        .take(6)
        .filter(|part| part.len() == 2 && part.bytes().all(|it| it.is_ascii_hexdigit()))
        .count();
    are_bytes == 6 && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{Bmc, interpret};

    #[test]
    fn what_the_tool_prints_is_taken_field_by_field() {
        let controller = "Device ID                 : 0\nFirmware Revision         : 9.08\n\
                          Manufacturer ID           : 4753\nManufacturer Name : Unknown (0x1291)\n";
        let lan = "IP Address Source       : Static Address\n\
                   IP Address              : 10.0.0.9\n\
                   MAC Address             : 52:54:00:AA:00:01\n";
        let expected = Bmc {
            manufacturer_id: Some(4753),
            firmware_version: Some("9.08".to_owned()),
            address: Some("10.0.0.9".to_owned()),
            mac: Some("52:54:00:aa:00:01".to_owned()),
        };
        assert_eq!(interpret(controller, lan), expected);
    }

    #[test]
    fn addresses_that_are_not_set_are_left_out() {
        let lan =
            "IP Address              : 0.0.0.0\nMAC Address             : 00:00:00:00:00:00\n";
        assert_eq!(interpret("", lan), Bmc::default());
    }
}
