//! What is read of a domain in one go.

use std::ffi::c_int;

use napi_derive::napi;
use virt::domain::Domain;
use virt_sys::VIR_DOMAIN_XML_INACTIVE;

use crate::failure::Failure;
use crate::link::Link;

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

/// Reads one domain.
pub fn read(domain: &Domain) -> Result<DomainRecord, Failure> {
    let (state, reason) = state(domain)?;
    let id = domain.id();
    let persistent = domain.is_persistent()?;
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
        autostart: persistent && domain.autostart()?,
        managed_save: persistent && id.is_none() && has_managed_save(domain)?,
        xml: domain.xml_desc(0)?,
        inactive_xml,
    })
}

/// Reads every domain, active or not. One that goes away meanwhile is left out.
pub fn read_all(link: &Link) -> Result<Vec<DomainRecord>, Failure> {
    let mut records = Vec::new();
    for domain in link.connect().list_all_domains(0)? {
        match read(&domain) {
            Ok(record) => records.push(record),
            Err(failure) if failure.is_no_domain() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(records)
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
