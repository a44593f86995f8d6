//! Network interfaces: what they passed, from /proc/net/dev, and what they are, from /sys
//! (Documentation/ABI/testing/sysfs-class-net).
use crate::exposition::{Exposition, Family};
use crate::source::Source;
use std::io;

/// The columns of /proc/net/dev behind the name: eight of what was received, eight of what was
/// sent. Those without a family are not told.
const COLUMNS: [Option<Family>; 16] = [
    Some(counter("node_network_receive_bytes_total", "Network device statistic receive_bytes.")),
    Some(counter(
        "node_network_receive_packets_total",
        "Network device statistic receive_packets.",
    )),
    Some(counter("node_network_receive_errs_total", "Network device statistic receive_errs.")),
    Some(counter("node_network_receive_drop_total", "Network device statistic receive_drop.")),
    None,
    None,
    None,
    Some(counter(
        "node_network_receive_multicast_total",
        "Network device statistic receive_multicast.",
    )),
    Some(counter("node_network_transmit_bytes_total", "Network device statistic transmit_bytes.")),
    Some(counter(
        "node_network_transmit_packets_total",
        "Network device statistic transmit_packets.",
    )),
    Some(counter("node_network_transmit_errs_total", "Network device statistic transmit_errs.")),
    Some(counter("node_network_transmit_drop_total", "Network device statistic transmit_drop.")),
    None,
    None,
    None,
    None,
];
const UP: Family =
    Family::gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.");
const CARRIER: Family = Family::gauge("node_network_carrier", "Network device property: carrier");
const MTU: Family = Family::gauge("node_network_mtu_bytes", "Network device property: mtu_bytes");
const SPEED: Family =
    Family::gauge("node_network_speed_bytes", "Network device property: speed_bytes");
const INFO: Family = Family::gauge(
    "node_network_info",
    "Non-numeric data of the network device; the value is always 1.",
);

/// The kernel says Mbit/s.
const BYTES_PER_MEGABIT: f64 = 125_000.0;

/// No machine has more; further ones are not looked at.
const MAXIMUM_INTERFACES: usize = 512;

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family::counter(name, help)
}

/// Tells every interface of this network namespace.
///
/// # Errors
/// /proc/net/dev cannot be read.
pub fn collect(source: &Source, text: &mut Exposition) -> io::Result<()> {
    tell_counters(&source.proc("net/dev")?, text);
    let names: Vec<String> = source
        .names("class/net")
        .into_iter()
        // Beside the interfaces there are files, such as bonding_masters.
        .filter(|name| source.value(&format!("class/net/{name}/operstate")).is_some())
        .take(MAXIMUM_INTERFACES)
        .collect();
    let of = |name: &str, property: &str| source.value(&format!("class/net/{name}/{property}"));
    let number = |name: &str, property: &str| of(name, property)?.parse::<i32>().ok();
    tell_each(UP, &names, text, |name| Some(f64::from(u8::from(of(name, "operstate")? == "up"))));
    tell_each(CARRIER, &names, text, |name| number(name, "carrier").map(f64::from));
    tell_each(MTU, &names, text, |name| number(name, "mtu").map(f64::from));
    tell_each(SPEED, &names, text, |name| {
        number(name, "speed").map(|speed| f64::from(speed) * BYTES_PER_MEGABIT)
    });
    text.family(INFO);
    for name in &names {
        let [address, broadcast, duplex, ifalias, operstate] =
            ["address", "broadcast", "duplex", "ifalias", "operstate"]
                .map(|property| of(name, property).unwrap_or_default());
        let labels = [
            ("address", &*address),
            ("broadcast", &broadcast),
            ("device", name),
            ("duplex", &duplex),
            ("ifalias", &ifalias),
            ("operstate", &operstate),
        ];
        text.sample(INFO.name, &labels, 1.0);
    }
    Ok(())
}

fn tell_each(
    family: Family,
    names: &[String],
    text: &mut Exposition,
    value: impl Fn(&str) -> Option<f64>,
) {
    text.family(family);
    for name in names {
        if let Some(value) = value(name) {
            text.sample(family.name, &[("device", name)], value);
        }
    }
}

fn tell_counters(list: &str, text: &mut Exposition) {
    let devices: Vec<(&str, [f64; 16])> =
        list.lines().filter_map(read_line).take(MAXIMUM_INTERFACES).collect();
    for (column, family) in COLUMNS.iter().enumerate() {
        let Some(family) = family else { continue };
        text.family(*family);
        for (device, numbers) in &devices {
            text.sample(family.name, &[("device", device)], numbers[column]);
        }
    }
}

/// `eth0: 1 2 …`; a name may hold a colon, numbers never do.
#[allow(clippy::cast_precision_loss)] // Counters below 2^53 are exact.
fn read_line(line: &str) -> Option<(&str, [f64; 16])> {
    let (name, rest) = line.rsplit_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let mut numbers = [0.0; 16];
    for number in &mut numbers {
        *number = words.next()?.parse::<u64>().ok()? as f64;
    }
    let name = name.trim();
    (!name.is_empty()).then_some((name, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(list: &str) -> String {
        let mut text = Exposition::default();
        tell_counters(list, &mut text);
        text.finish().0
    }

    #[test]
    fn bytes_packets_errors_and_drops_are_told_both_ways_and_the_heads_are_not() {
        let text = told(
            "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n\
             eth0.5: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        );
        assert!(text.contains("node_network_receive_drop_total{device=\"eth0.5\"} 4\n"));
        assert!(text.contains("node_network_receive_multicast_total{device=\"eth0.5\"} 8\n"));
        assert!(text.contains("node_network_transmit_bytes_total{device=\"eth0.5\"} 9\n"));
        assert!(text.contains("node_network_transmit_drop_total{device=\"eth0.5\"} 12\n"));
        assert_eq!(text.matches("device=").count(), 9);
    }

    #[test]
    fn an_interface_whose_name_holds_a_colon_is_told() {
        let text = told("eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
        assert!(text.contains("node_network_receive_bytes_total{device=\"eth0:1\"} 1\n"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(list in "([a-z0-9é\":]{0,9}:( [0-9]{0,22}){0,18}\n|.*\n){0,9}") {
            told(&list);
        }
    }
}
