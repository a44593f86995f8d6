//! Orders as the deployment server writes them, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use purlin_node::order::{Order, Step};
use serde_json::{Value, json};

const PLANS: &str = include_str!("../../../golden/fixtures/plans.jsonl");
const ROUNDS: usize = 3000;

fn plans() -> Vec<(String, Value)> {
    PLANS
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|plan| (plan["name"].as_str().unwrap().to_owned(), plan["order"].clone()))
        .collect()
}

#[test]
fn every_plan_that_the_template_makes_is_read_whole() {
    assert!(plans().len() >= 6);
    for (name, order) in plans() {
        let Ok(Order::Image { steps }) = Order::parse(&order.to_string()) else {
            panic!("{name}: {:?}", Order::parse(&order.to_string()));
        };
        assert_eq!(steps.len(), order["steps"].as_array().unwrap().len(), "{name}");
        assert!(steps.iter().any(|step| matches!(step, Step::Unpack { .. })), "{name}");
    }
}

#[test]
fn a_plan_that_touches_a_disk_before_it_is_checked_is_refused() {
    for (name, order) in plans() {
        let steps = order["steps"].as_array().unwrap();
        for (index, _) in steps.iter().enumerate().filter(|(_, step)| step["do"] == "check-disk") {
            let mut without = steps.clone();
            let check = without.remove(index);
            let refusal = Order::parse(&json!({ "order": "image", "steps": without }).to_string());
            let text = refusal.unwrap_err().to_string();
            assert!(text.contains("is not checked before anything is written"), "{name}: {text}");
            // A check that comes after the first write is none.
            without.push(check);
            let late = json!({ "order": "image", "steps": without }).to_string();
            assert!(Order::parse(&late).is_err(), "{name}");
        }
    }
}

#[test]
fn a_step_that_names_a_disk_otherwise_than_its_check_did_is_refused() {
    for (name, mut order) in plans() {
        let steps = order["steps"].as_array_mut().unwrap();
        let wipe = steps.iter_mut().find(|step| step["do"] == "wipe-disk").unwrap();
        wipe["disk"]["sizeBytes"] = json!(1 << 20);
        assert!(Order::parse(&order.to_string()).is_err(), "{name}");
    }
}

#[test]
fn malformed_names_addresses_sums_and_paths_are_refused() {
    let refused = [
        json!({ "do": "tell", "step": "installing", "url": "file:///etc/shadow" }),
        json!({ "do": "unpack", "url": "http://10.0.0.1/x", "sha256": "" }),
        json!({ "do": "reset-identity", "hostname": "a b" }),
        json!({ "do": "run-in-system", "program": "../bin/sh", "args": [] }),
        json!({ "do": "run-in-system", "program": "-c", "args": [] }),
        json!({ "do": "make-volume", "group": "--yes", "name": "root" }),
        json!({ "do": "make-volume", "group": "sys", "name": "../root" }),
        json!({ "do": "make-array", "name": "m", "level": 3, "members": [] }),
        json!({ "do": "mount", "device": { "kind": "array", "name": "m" }, "mount": "/a/../b" }),
        json!({ "do": "mount", "device": { "kind": "array", "name": "m" }, "mount": "boot" }),
        json!({ "do": "write-fstab", "entries": [{
            "device": { "kind": "array", "name": "m" },
            "mount": "/", "filesystem": "ext4", "options": "a\nb", "pass": 0,
        }] }),
        json!({ "do": "check-disk", "disk": { "link": "../../sda", "sizeBytes": 1 } }),
        json!({ "do": "check-disk", "disk": { "link": "a", "sizeBytes": 0 } }),
        json!({ "do": "format-everything" }),
    ];
    for step in refused {
        let order = json!({ "order": "image", "steps": [step] });
        assert!(Order::parse(&order.to_string()).is_err(), "{order}");
    }
    for order in [
        json!({ "order": "image", "steps": [] }),
        json!({ "order": "erase", "how": "full", "disks": [] }),
        json!({ "order": "erase", "how": "some", "disks": [{ "link": "a", "sizeBytes": 1 }] }),
        json!({ "order": "rescue", "sshKeys": ["ssh-ed25519 AAAA\nssh-rsa BBBB"] }),
        json!({ "order": "obey" }),
    ] {
        assert!(Order::parse(&order.to_string()).is_err(), "{order}");
    }
}

#[test]
fn the_short_orders_are_read() {
    for (text, order) in [
        (r#"{"order":"wait"}"#, Order::Wait),
        (r#"{"order":"power-off"}"#, Order::PowerOff),
        (r#"{"order":"restart"}"#, Order::Restart),
    ] {
        assert_eq!(Order::parse(text), Ok(order));
    }
}

#[test]
fn orders_with_bytes_exchanged_are_read_or_refused_and_nothing_else() {
    let mut random = fastrand::Rng::with_seed(0x0f_0e_0d);
    let texts: Vec<String> = plans().iter().map(|(_, order)| order.to_string()).collect();
    for round in 0..ROUNDS {
        let mut bytes = texts[round % texts.len()].clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => bytes[at] = b"{}[]\",:0-"[random.usize(..9)],
                _ => {
                    bytes.remove(at);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        // Whatever comes out keeps the rule: no disk is written that was not checked.
        if let Ok(Order::Image { steps }) = Order::parse(&String::from_utf8_lossy(&bytes)) {
            let first = steps.iter().position(Step::writes).unwrap_or(steps.len());
            let checked: Vec<_> = steps[..first].iter().flat_map(Step::disks).collect();
            for disk in steps.iter().flat_map(Step::disks) {
                assert!(checked.contains(&disk), "round {round}");
            }
        }
    }
}
