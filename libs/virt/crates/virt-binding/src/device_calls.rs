//! The calls that change an active domain's devices, processors and memory, and its metadata.
//! Devices of definitions are not touched: those are written as a whole.

use std::ffi::{CString, c_char, c_int, c_uint};

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use virt::domain::Domain;
use virt_sys::{
    VIR_DOMAIN_AFFECT_CONFIG, VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_METADATA_ELEMENT,
    virTypedParameterPtr, virTypedParamsFree,
};

use crate::connection::{Lane, VirtConnection};
use crate::failure::{FAULT, Failure};

type Promise<'env> = napi::Result<Object<'env>>;

/// One limit of a disk by libvirt's name, such as `total_iops_sec`; 0 takes it away.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct DiskLimit {
    /// libvirt's name of the parameter.
    pub name: String,
    /// Bytes or requests a second, or seconds; exact up to 2^53.
    pub value: f64,
}

/// An element of a domain's metadata.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct MetadataElement {
    /// Its namespace, by which it is found.
    pub namespace: String,
    /// Prefix of the namespace.
    pub prefix: String,
    /// The element, without prefix and namespace.
    pub xml: String,
}

#[napi]
impl VirtConnection {
    /// Adds a device by its XML.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn attach_device<'env>(
        &self,
        env: &'env Env,
        name: String,
        xml: String,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("attachDevice {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            Ok(link.domain(&name)?.attach_device_flags(&xml, VIR_DOMAIN_AFFECT_LIVE)?)
        })
    }

    /// Asks the guest to let go of a device, by its alias, and answers at once: an event tells when
    /// it did.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn detach_device<'env>(
        &self,
        env: &'env Env,
        name: String,
        alias: String,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("detachDevice {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            let (domain, alias) = (link.domain(&name)?, text(alias)?);
            let flags = VIR_DOMAIN_AFFECT_LIVE;
            // SAFETY: the domain is open and the text ends with a NUL; both outlive the call.
            done(unsafe {
                virt_sys::virDomainDetachDeviceAlias(domain.as_ptr(), alias.as_ptr(), flags)
            })
        })
    }

    /// Changes a device that is there, by its XML.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn update_device<'env>(
        &self,
        env: &'env Env,
        name: String,
        xml: String,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("updateDevice {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            Ok(link.domain(&name)?.update_device_flags(&xml, VIR_DOMAIN_AFFECT_LIVE)?)
        })
    }

    /// Gives or takes processors. Where some are taken libvirt waits for the guest, for seconds, so
    /// this has the connection of the calls that last.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_cpus<'env>(
        &self,
        env: &'env Env,
        name: String,
        count: u32,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("setCpus {name}");
        self.submit(env, Lane::Memory, what, deadline_ms, move |link| {
            Ok(link.domain(&name)?.set_vcpus_flags(count, VIR_DOMAIN_AFFECT_LIVE)?)
        })
    }

    /// Sets how much memory the balloon leaves to the guest.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_memory<'env>(
        &self,
        env: &'env Env,
        name: String,
        memory_kib: f64,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("setMemory {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            let kib = whole(memory_kib);
            Ok(link.domain(&name)?.set_memory_flags(kib, VIR_DOMAIN_AFFECT_LIVE)?)
        })
    }

    /// Puts an element into the metadata of what a domain is now, or will be after its next start,
    /// in place of that of the same namespace.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_metadata<'env>(
        &self,
        env: &'env Env,
        name: String,
        element: MetadataElement,
        inactive: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("setMetadata {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            let domain = link.domain(&name)?;
            let MetadataElement { namespace, prefix, xml } = element;
            let (xml, prefix, namespace) = (text(xml)?, text(prefix)?, text(namespace)?);
            let kind = VIR_DOMAIN_METADATA_ELEMENT;
            let flags = if inactive { VIR_DOMAIN_AFFECT_CONFIG } else { VIR_DOMAIN_AFFECT_LIVE };
            // SAFETY: the domain is open and each text ends with a NUL; all outlive the call.
            done(unsafe {
                virt_sys::virDomainSetMetadata(
                    domain.as_ptr(),
                    kind.cast_signed(),
                    xml.as_ptr(),
                    prefix.as_ptr(),
                    namespace.as_ptr(),
                    flags,
                )
            })
        })
    }

    /// Sets what a disk may use, by its target. What is not named keeps its value where libvirt can
    /// tell; name all six rates to be sure.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn set_disk_limits<'env>(
        &self,
        env: &'env Env,
        name: String,
        target: String,
        limits: Vec<DiskLimit>,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let what = format!("setDiskLimits {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            let domain = link.domain(&name)?;
            Parameters::of(&limits)?.tune(&domain, target)
        })
    }
}

/// Typed parameters of libvirt, given back when they are dropped.
struct Parameters {
    first: virTypedParameterPtr,
    count: c_int,
}

impl Parameters {
    fn of(limits: &[DiskLimit]) -> Result<Self, Failure> {
        let (mut all, mut room) = (Self { first: std::ptr::null_mut(), count: 0 }, 0);
        for DiskLimit { name, value } in limits {
            let name = text(name.clone())?;
            // SAFETY: libvirt grows its own list, whose place, length and room are handed on.
            done(unsafe {
                virt_sys::virTypedParamsAddULLong(
                    &raw mut all.first,
                    &raw mut all.count,
                    &raw mut room,
                    name.as_ptr(),
                    whole(*value),
                )
            })?;
        }
        Ok(all)
    }

    fn tune(&self, domain: &Domain, target: String) -> Result<(), Failure> {
        let disk = text(target)?;
        let disk: *const c_char = disk.as_ptr();
        let flags: c_uint = VIR_DOMAIN_AFFECT_LIVE;
        // SAFETY: the domain is open, the text ends with a NUL, and the list has `count` members.
        done(unsafe {
            virt_sys::virDomainSetBlockIoTune(domain.as_ptr(), disk, self.first, self.count, flags)
        })
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // SAFETY: the list came from libvirt and is freed once; an empty one is null, which it
        // takes.
        unsafe { virTypedParamsFree(self.first, self.count) };
    }
}

fn text(value: String) -> Result<CString, Failure> {
    CString::new(value).map_err(|_| Failure::own(FAULT, "a text holds a NUL"))
}

fn done(answer: c_int) -> Result<(), Failure> {
    if answer < 0 { Err(Failure::last()) } else { Ok(()) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value as u64
}
