//! `purlin-node`: as the first process it starts the discovery system; `purlin-node serve` is its
//! work, `purlin-node report` writes the report of any machine to the standard output.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use purlin_node::console::say;
use purlin_node::report::{self, Neighbours};
use purlin_node::{init, serve};

fn main() -> ExitCode {
    let verb = std::env::args().nth(1);
    match verb.as_deref() {
        _ if std::process::id() == 1 => init::run_as_init(),
        Some("serve") => {
            if let Err(failure) = serve::serve() {
                say(&format!("failed: {failure}"));
                return ExitCode::FAILURE;
            }
        }
        Some("report") => {
            let names = fs::read_to_string("/usr/share/misc/pci.ids").unwrap_or_default();
            let [sys, proc, udev] = ["/sys", "/proc", "/run/udev"].map(Path::new);
            let report = report::collect(sys, proc, udev, &names, None, &Neighbours::new());
            match serde_json::to_string_pretty(&report) {
                Ok(text) => println!("{text}"),
                Err(error) => eprintln!("purlin-node: {error}"),
            }
        }
        _ => {
            eprintln!("usage: purlin-node serve | report");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
