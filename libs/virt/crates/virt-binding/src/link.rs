//! One connection to libvirt: opened with keep-alive and events, used by one thread at a time,
//! closed when it is dropped.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use virt::connect::Connect;
use virt::domain::Domain;

use crate::event_loop;
use crate::events::{self, EventSink, Registration};
use crate::failure::Failure;

/// How a connection is to be opened.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// libvirt URI.
    pub uri: String,
    /// Whether calls that change something are refused.
    pub readonly: bool,
    /// Seconds between two keep-alive messages.
    pub keep_alive_interval_seconds: i32,
    /// Unanswered keep-alive messages after which the connection is given up.
    pub keep_alive_count: u32,
}

/// What a connection subscribes to besides its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribe {
    /// Lifecycle, reboot and guest agent of all domains.
    Domains,
    /// Nothing: another connection does it.
    Nothing,
}

/// An open connection.
pub struct Link {
    connect: ManuallyDrop<Connect>,
    registrations: Vec<Registration>,
}

impl Link {
    /// Opens the connection, sets keep-alive, subscribes to events. May hang for as long as the
    /// daemon does: keep-alive works only after opening.
    pub fn open(
        options: &LinkOptions,
        sink: &Arc<EventSink>,
        subscribe: Subscribe,
    ) -> Result<Self, Failure> {
        event_loop::ensure()?;
        let uri = Some(options.uri.as_str());
        let opened =
            if options.readonly { Connect::open_read_only(uri) } else { Connect::open(uri) };
        let mut link = Self { connect: ManuallyDrop::new(opened?), registrations: Vec::new() };
        let interval = options.keep_alive_interval_seconds;
        let kept = link.connect.set_keep_alive(interval, options.keep_alive_count);
        if let Err(failure) = kept.map_err(Failure::from)
            && !failure.is_unsupported()
        {
            return Err(failure);
        }
        link.registrations.push(events::register_close(&link.connect, sink)?);
        if subscribe == Subscribe::Domains {
            events::register_domains(&link.connect, sink, &mut link.registrations)?;
        }
        Ok(link)
    }

    /// The connection, for calls.
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// The domain of that name. Errors: libvirt's 42 when there is none.
    pub fn domain(&self, name: &str) -> Result<Domain, Failure> {
        Ok(self.connect.lookup_domain_by_name(name)?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The subscriptions hold references of their own on the connection.
        for registration in std::mem::take(&mut self.registrations) {
            registration.end(&self.connect);
        }
        // SAFETY: `connect` holds one reference taken by opening; it is given back here, once, and
        // not used after. The crate's own drop is by-passed because it panics when libvirt reports
        // an error, and a connection that broke may do so.
        unsafe { virt_sys::virConnectClose(self.connect.as_ptr()) };
    }
}
