//! What a call may fail with, and how it looks in JavaScript: an `Error` with `code`, `libvirtCode`
//! and `libvirtDomain`. `code` is `VIR_ERROR` for what libvirt says, else one of the codes below.

use napi::bindgen_prelude::{JsObjectValue, JsValue};
use napi::{Env, Status};
use virt::error::Error as VirtError;

/// The deadline of the call passed; its thread may still hang in libvirt.
pub const TIMEOUT: &str = "VIR_TIMEOUT";
/// The connection was closed before the call could begin.
pub const CLOSED: &str = "VIR_CLOSED";
/// The queue of the connection, or the number of threads, is at its bound.
pub const BUSY: &str = "VIR_BUSY";
/// A fault of this addon.
pub const FAULT: &str = "VIR_FAULT";
/// libvirt answered with an error; its number and source are beside.
const LIBVIRT: &str = "VIR_ERROR";

/// libvirt's number for "the driver does not have this call" (`VIR_ERR_NO_SUPPORT`).
const NO_SUPPORT: u32 = virt_sys::VIR_ERR_NO_SUPPORT;
/// libvirt's number for "no such domain" (`VIR_ERR_NO_DOMAIN`).
const NO_DOMAIN: u32 = virt_sys::VIR_ERR_NO_DOMAIN;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of the codes of this file.
    pub code: &'static str,
    /// `virErrorNumber`, 0 where libvirt was not asked.
    pub libvirt_code: u32,
    /// `virErrorDomain`, 0 where libvirt was not asked.
    pub libvirt_domain: u32,
    /// What libvirt, or this addon, says.
    pub message: String,
}

impl Failure {
    /// A failure that libvirt had no part in.
    pub fn own(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, libvirt_code: 0, libvirt_domain: 0, message: message.into() }
    }

    /// What libvirt last said on this thread.
    pub fn last() -> Self {
        Self::from(VirtError::last_error())
    }

    /// Whether the driver behind the connection simply lacks the call.
    pub fn is_unsupported(&self) -> bool {
        self.libvirt_code == NO_SUPPORT
    }

    /// Whether the domain is gone.
    pub fn is_no_domain(&self) -> bool {
        self.libvirt_code == NO_DOMAIN
    }

    /// The JavaScript error; must run on the JavaScript thread.
    pub fn into_js(self, env: Env) -> napi::Error {
        let build = || -> napi::Result<napi::Error> {
            let plain = napi::Error::new(Status::GenericFailure, self.message.clone());
            let mut object = env.create_error(plain)?;
            object.set_named_property("code", self.code)?;
            object.set_named_property("libvirtCode", self.libvirt_code)?;
            object.set_named_property("libvirtDomain", self.libvirt_domain)?;
            Ok(napi::Error::from(object.to_unknown()))
        };
        build().unwrap_or_else(|failure| failure)
    }
}

impl From<VirtError> for Failure {
    fn from(error: VirtError) -> Self {
        Self {
            code: LIBVIRT,
            libvirt_code: error.code().to_raw(),
            libvirt_domain: error.domain().to_raw(),
            message: error.message().to_owned(),
        }
    }
}
