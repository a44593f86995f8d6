//! What is read of a domain in one go.

use std::collections::{HashMap, HashSet};
use std::ffi::c_int;

use napi_derive::napi;
use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys::{
    VIR_CONNECT_LIST_DOMAINS_AUTOSTART, VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
    VIR_CONNECT_LIST_DOMAINS_PERSISTENT, VIR_DOMAIN_XML_INACTIVE, virConnectListAllDomainsFlags,
};

use crate::failure::Failure;
use crate::link::Link;
use crate::stats;

/// A domain as libvirt has it.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct DomainRecord {
    /// Name, unique on the host.
    pub name: String,
    /// UUID, lower case with dashes.
    pub uuid: String,
    /// Number while it is active.
    pub id: Option<u32>,
    /// `virDomainState`.
    pub state: i32,
    /// The reason that belongs to the state.
    pub reason: i32,
    /// Whether it stays when it is stopped.
    pub persistent: bool,
    /// Whether libvirt itself starts it with the host.
    pub autostart: bool,
    /// Whether its memory lies on the disk of the host, to be taken up by the next start.
    pub managed_save: bool,
    /// XML of what is in force now.
    pub xml: String,
    /// XML of what will be in force after the next start; only for active persistent domains.
    pub inactive_xml: Option<String>,
}

/// What is known of a domain beside its XML.
struct Standing {
    state: i32,
    reason: i32,
    persistent: bool,
    autostart: bool,
    managed_save: bool,
}

/// Reads one domain.
pub fn read(domain: &Domain) -> Result<DomainRecord, Failure> {
    let (state, reason) = state(domain)?;
    let persistent = domain.is_persistent()?;
    let standing = Standing {
        state,
        reason,
        persistent,
        autostart: persistent && domain.autostart()?,
        managed_save: persistent && domain.id().is_none() && has_managed_save(domain)?,
    };
    with_xml(domain, &standing)
}

/// Reads every domain, active or not. One that goes away meanwhile is left out. What can be asked
/// of all domains at once is: a call or two are left for each, for its XML.
pub fn read_all(link: &Link) -> Result<Vec<DomainRecord>, Failure> {
    let connect = link.connect();
    let domains = connect.list_all_domains(0)?;
    // Asked after the list, so that none of it is older than the list.
    let persistent = uuids(connect, VIR_CONNECT_LIST_DOMAINS_PERSISTENT)?;
    let autostart = uuids(connect, VIR_CONNECT_LIST_DOMAINS_AUTOSTART)?;
    let saved = uuids(connect, VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)?;
    let states: HashMap<String, (i32, i32)> = stats::states(connect)?;
    let mut records = Vec::new();
    for domain in domains {
        let found = (|| {
            let uuid = domain.uuid_string()?;
            let known = states.get(&domain.name()?).copied();
            let (state, reason) = known.map_or_else(|| state(&domain), Ok)?;
            let persistent = persistent.contains(&uuid);
            let standing = Standing {
                state,
                reason,
                persistent,
                autostart: persistent && autostart.contains(&uuid),
                managed_save: persistent && domain.id().is_none() && saved.contains(&uuid),
            };
            with_xml(&domain, &standing)
        })();
        match found {
            Ok(record) => records.push(record),
            Err(failure) if failure.is_no_domain() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(records)
}

/// The UUIDs of the domains that a flag is true of; none where the driver does not know it.
fn uuids(
    connect: &Connect,
    flag: virConnectListAllDomainsFlags,
) -> Result<HashSet<String>, Failure> {
    match connect.list_all_domains(flag).map_err(Failure::from) {
        Err(failure) if failure.is_unsupported() => Ok(HashSet::new()),
        found => Ok(found?.iter().map(Domain::uuid_string).collect::<Result<_, _>>()?),
    }
}

fn with_xml(domain: &Domain, standing: &Standing) -> Result<DomainRecord, Failure> {
    let id = domain.id();
    let &Standing { state, reason, persistent, autostart, managed_save } = standing;
    let inactive_xml = match id {
        Some(_) if persistent => Some(domain.xml_desc(VIR_DOMAIN_XML_INACTIVE)?),
        _ => None,
    };
    Ok(DomainRecord {
        name: domain.name()?,
        uuid: domain.uuid_string()?,
        id,
        state,
        reason,
        persistent,
        autostart,
        managed_save,
        xml: domain.xml_desc(0)?,
        inactive_xml,
    })
}

/// Whether there is a managed save; a driver without any has none.
fn has_managed_save(domain: &Domain) -> Result<bool, Failure> {
    match domain.has_managed_save(0).map_err(Failure::from) {
        Err(failure) if failure.is_unsupported() => Ok(false),
        found => found,
    }
}

/// State and reason. The crate's own `state` does not report the failure of the call.
fn state(domain: &Domain) -> Result<(i32, i32), Failure> {
    let (mut state, mut reason): (c_int, c_int) = (0, 0);
    // SAFETY: the domain is valid; libvirt writes the two numbers.
    let done =
        unsafe { virt_sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) };
    if done < 0 { Err(Failure::last()) } else { Ok((state, reason)) }
}
