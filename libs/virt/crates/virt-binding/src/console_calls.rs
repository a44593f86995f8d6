//! The call that connects to a machine's screen.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::sys;
use napi_derive::napi;

use crate::connection::{Lane, VirtConnection};
use crate::failure::{FAULT, Failure};

/// A descriptor on its way to JavaScript, which closes it from then on. One that nobody takes,
/// since the deadline of the call has passed, is closed here.
struct PassedDescriptor(OwnedFd);

impl ToNapiValue for PassedDescriptor {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        // SAFETY: `env` is the one that this was called with, and a number has no other demands.
        unsafe { RawFd::to_napi_value(env, value.0.into_raw_fd()) }
    }
}

#[napi]
impl VirtConnection {
    /// One end of a new pair of sockets, whose other end the first graphics device of the domain
    /// takes as a client that has proved itself. Whoever called closes it.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn open_graphics<'env>(
        &self,
        env: &'env Env,
        name: String,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, format!("openGraphics {name}"), deadline_ms, move |link| {
            let flags = virt_sys::VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH;
            let descriptor = link.domain(&name)?.open_graphics_fd(0, flags)?;
            let descriptor = RawFd::try_from(descriptor)
                .map_err(|_| Failure::own(FAULT, "libvirt gave a descriptor that is none"))?;
            // SAFETY: libvirt has just made the descriptor for its caller, who alone owns it.
            Ok(PassedDescriptor(unsafe { OwnedFd::from_raw_fd(descriptor) }))
        })
    }
}
