//! The calls about memory that is kept beside a machine that goes on.

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use virt_sys::{
    VIR_DOMAIN_SAVE_PAUSED, VIR_DOMAIN_SAVE_RUNNING, VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
};

use crate::connection::{Lane, VirtConnection};

#[napi]
impl VirtConnection {
    /// Takes a snapshot of a domain by its XML, of which libvirt itself keeps nothing: it is how
    /// the memory of a domain is written to a file without ending it.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn snapshot<'env>(
        &self,
        env: &'env Env,
        name: String,
        xml: String,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Memory, format!("snapshot {name}"), deadline_ms, move |link| {
            link.domain(&name)?
                .create_snapshot_xml(&xml, VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA)?;
            Ok(())
        })
    }

    /// Starts the domain whose memory is in the file, with that memory; the file stays.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn restore_file<'env>(
        &self,
        env: &'env Env,
        file: String,
        paused: bool,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        let flags = if paused { VIR_DOMAIN_SAVE_PAUSED } else { VIR_DOMAIN_SAVE_RUNNING };
        self.submit(env, Lane::Memory, format!("restoreFile {file}"), deadline_ms, move |link| {
            link.connect().restore_domain_flags(&file, None, flags)?;
            Ok(())
        })
    }
}
