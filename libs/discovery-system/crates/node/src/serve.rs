//! The work: network, report, orders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::console::say;
use crate::erase;
use crate::failure::Failure;
use crate::http::{Client, RequestError};
use crate::image;
use crate::init;
use crate::kernel_line::KernelLine;
use crate::network::{self, Listener};
use crate::order::Order;
use crate::report::{self, Bmc, Neighbours};
use crate::rescue;

const PAUSE: Duration = Duration::from_secs(2);
const REPORTS_MAX: usize = 6;

/// Reports, then follows orders until the machine restarts.
///
/// # Errors
/// When there is no server to ask, no address, or the server refuses this node.
pub fn serve() -> Result<(), Failure> {
    let line = KernelLine::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    let Some(url) = line.url else {
        return Err(Failure::new("the kernel's command line holds no purlin.url=http(s)://…"));
    };
    if let Some(time) = line.time {
        clock::adjust(time);
    }
    let bmc = report::ask_bmc();
    network::links_up();
    let listener = Listener::start();
    let name = network::connect(line.boot_mac.as_deref())?;
    say(&format!("address on {name}, asks {}", server_of(&url)));
    let client = Client::of_system()?;
    let mut work = Work {
        client,
        url,
        bmc: bmc.join().ok().flatten(),
        told: Surroundings::default(),
        reports: 0,
    };
    work.report(&listener)?;
    loop {
        match work.client.get_once(&format!("{}/orders", work.url)) {
            Ok(text) => work.follow(&text, &listener)?,
            Err(RequestError::Unreachable(error)) => {
                say(&format!("no orders yet: {error}"));
                thread::sleep(PAUSE);
            }
            Err(RequestError::Refused(error)) => return Err(Failure(error)),
        }
    }
}

struct Work {
    client: Client,
    url: String,
    bmc: Option<Bmc>,
    /// What the last report said of the links' other ends.
    told: Surroundings,
    reports: usize,
}

/// What becomes known later than the rest: which links are up, and what they end at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Surroundings {
    neighbours: Neighbours,
    links: BTreeMap<String, bool>,
}

impl Surroundings {
    fn now(listener: &Listener) -> Self {
        Self { neighbours: listener.neighbours(), links: report::links(Path::new("/sys")) }
    }
}

impl Work {
    /// Sends the report with the neighbours that are known by now.
    fn report(&mut self, listener: &Listener) -> Result<(), Failure> {
        let surroundings = Surroundings::now(listener);
        let report = report::collect(
            Path::new("/sys"),
            Path::new("/proc"),
            Path::new("/run/udev"),
            &fs::read_to_string("/usr/share/misc/pci.ids").unwrap_or_default(),
            self.bmc.clone(),
            &surroundings.neighbours,
        );
        let text = serde_json::to_string(&report)
            .map_err(|error| Failure(format!("writing the report: {error}")))?;
        self.client.post(&format!("{}/report", self.url), &text)?;
        say(&format!("report sent, {} bytes", text.len()));
        self.told = surroundings;
        self.reports += 1;
        Ok(())
    }

    fn follow(&mut self, text: &str, listener: &Listener) -> Result<(), Failure> {
        let outcome = match Order::parse(text) {
            Ok(Order::Wait) => {
                // Links come up late and announcements later; a link that comes and goes for ever
                // is not worth a report each time.
                if self.reports < REPORTS_MAX && Surroundings::now(listener) != self.told {
                    self.report(listener)?;
                }
                return Ok(());
            }
            Ok(Order::Image { steps }) => image::deploy(&self.client, &steps),
            Ok(Order::Erase { how, disks }) => erase::erase(&self.client, &self.url, how, &disks),
            Ok(Order::Rescue { ssh_keys }) => rescue::open(&self.client, &self.url, &ssh_keys),
            Ok(Order::PowerOff) => {
                say("power off");
                init::power_off();
                return Ok(());
            }
            Ok(Order::Restart) => {
                say("restart");
                init::restart();
                return Ok(());
            }
            Err(failure) => Err(failure),
        };
        let Err(failure) = outcome else { return Ok(()) };
        say(&format!("failed: {failure}"));
        let message = serde_json::json!({ "message": failure.to_string() }).to_string();
        // A server that does not expect the failure any more has given its own orders.
        if let Err(error) = self.client.post(&format!("{}/event/failed", self.url), &message) {
            say(&format!("the failure was not taken: {error}"));
        }
        thread::sleep(PAUSE);
        Ok(())
    }
}

/// The address without the token.
fn server_of(url: &str) -> &str {
    url.split_once("/node/").map_or(url, |(server, _)| server)
}
