//! The calls about one domain. Domains go by name; flags are plain booleans here.

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use virt_sys::{
    VIR_DOMAIN_BLOCK_RESIZE_BYTES, VIR_DOMAIN_DESTROY_GRACEFUL, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN,
    VIR_DOMAIN_REBOOT_GUEST_AGENT, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
    VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, VIR_DOMAIN_START_PAUSED, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE,
    VIR_DOMAIN_UNDEFINE_NVRAM, VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA, VIR_DOMAIN_XML_INACTIVE,
};

use crate::connection::{Lane, VirtConnection};
use crate::domain;
use crate::failure::Failure;

type Promise<'env> = napi::Result<Object<'env>>;

impl VirtConnection {
    /// A call on one domain that answers nothing.
    fn on_domain<'env>(
        &self,
        env: &'env Env,
        verb: &str,
        name: String,
        deadline_ms: u32,
        act: impl FnOnce(&virt::domain::Domain) -> Result<(), virt::error::Error> + Send + 'static,
    ) -> Promise<'env> {
        let what = format!("{verb} {name}");
        self.submit(env, Lane::Control, what, deadline_ms, move |link| {
            act(&link.domain(&name)?).map_err(Failure::from)
        })
    }

    /// A call on one domain that writes or reads its whole memory, and so has a connection of its
    /// own.
    fn on_memory<'env>(
        &self,
        env: &'env Env,
        verb: &str,
        name: String,
        deadline_ms: u32,
        act: impl FnOnce(&virt::domain::Domain) -> Result<(), virt::error::Error> + Send + 'static,
    ) -> Promise<'env> {
        let what = format!("{verb} {name}");
        self.submit(env, Lane::Memory, what, deadline_ms, move |link| {
            act(&link.domain(&name)?).map_err(Failure::from)
        })
    }
}

#[napi]
impl VirtConnection {
    /// One domain.
    #[napi(ts_return_type = "Promise<DomainRecord>")]
    pub fn domain<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.submit(env, Lane::Control, format!("domain {name}"), deadline_ms, move |link| {
            domain::read(&link.domain(&name)?)
        })
    }

    /// XML of a domain: in force now, or after the next start.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn domain_xml<'env>(
        &self,
        env: &'env Env,
        name: String,
        inactive: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags = if inactive { VIR_DOMAIN_XML_INACTIVE } else { 0 };
        self.submit(env, Lane::Control, format!("domainXml {name}"), deadline_ms, move |link| {
            Ok(link.domain(&name)?.xml_desc(flags)?)
        })
    }

    /// Defines a persistent domain, or what an existing one will be after its next start.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn define_xml<'env>(&self, env: &'env Env, xml: String, deadline_ms: u32) -> Promise<'env> {
        self.submit(env, Lane::Control, "defineXml".to_owned(), deadline_ms, move |link| {
            link.connect().define_domain_xml(&xml)?;
            Ok(())
        })
    }

    /// Starts a defined domain.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn start<'env>(
        &self,
        env: &'env Env,
        name: String,
        paused: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags = if paused { VIR_DOMAIN_START_PAUSED } else { 0 };
        self.on_domain(env, "start", name, deadline_ms, move |domain| {
            domain.create_with_flags(flags)
        })
    }

    /// Starts a domain whose memory was saved, with that memory.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn restore<'env>(
        &self,
        env: &'env Env,
        name: String,
        paused: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags = if paused { VIR_DOMAIN_START_PAUSED } else { 0 };
        self.on_memory(env, "restore", name, deadline_ms, move |domain| {
            domain.create_with_flags(flags)
        })
    }

    /// Writes the memory of an active domain to the host's disk and ends it.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.on_memory(env, "save", name, deadline_ms, |domain| domain.managed_save(0))
    }

    /// Throws the saved memory of a domain away.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn discard_save<'env>(
        &self,
        env: &'env Env,
        name: String,
        deadline_ms: u32,
    ) -> Promise<'env> {
        self.on_domain(env, "discardSave", name, deadline_ms, |domain| {
            domain.managed_save_remove(0)
        })
    }

    /// Asks the guest to power off, by the power button or by its agent; answers at once.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn shutdown<'env>(
        &self,
        env: &'env Env,
        name: String,
        by_agent: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags = if by_agent {
            VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
        } else {
            VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        };
        self.on_domain(env, "shutdown", name, deadline_ms, move |domain| {
            domain.shutdown_flags(flags)
        })
    }

    /// Asks the guest to start anew, by the power button or by its agent; answers at once.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn reboot<'env>(
        &self,
        env: &'env Env,
        name: String,
        by_agent: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags =
            if by_agent { VIR_DOMAIN_REBOOT_GUEST_AGENT } else { VIR_DOMAIN_REBOOT_ACPI_POWER_BTN };
        self.on_domain(env, "reboot", name, deadline_ms, move |domain| domain.reboot(flags))
    }

    /// Resets the machine as its button would, without asking the guest.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn reset<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.on_domain(env, "reset", name, deadline_ms, virt::domain::Domain::reset)
    }

    /// Takes the power away. Graceful: not by KILL, when QEMU does not end by itself.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn destroy<'env>(
        &self,
        env: &'env Env,
        name: String,
        graceful: bool,
        deadline_ms: u32,
    ) -> Promise<'env> {
        let flags = if graceful { VIR_DOMAIN_DESTROY_GRACEFUL } else { 0 };
        self.on_domain(env, "destroy", name, deadline_ms, move |domain| domain.destroy_flags(flags))
    }

    /// Stops the processors; memory and devices stay.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn suspend<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.on_domain(env, "suspend", name, deadline_ms, virt::domain::Domain::suspend)
    }

    /// Lets the processors go on.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn resume<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.on_domain(env, "resume", name, deadline_ms, virt::domain::Domain::resume)
    }

    /// Wakes a guest that put itself to sleep.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn wakeup<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        self.on_domain(env, "wakeup", name, deadline_ms, |domain| domain.pm_wakeup(0))
    }

    /// How many bytes a disk of an active domain has for its guest, by the disk's target.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn disk_bytes<'env>(
        &self,
        env: &'env Env,
        name: String,
        target: String,
        deadline_ms: u32,
    ) -> Promise<'env> {
        self.submit(env, Lane::Control, format!("diskBytes {name}"), deadline_ms, move |link| {
            let capacity = link.domain(&name)?.block_info(&target, 0)?.capacity;
            // Exact up to 2^53, which is eight pebibytes.
            #[allow(clippy::cast_precision_loss, reason = "sizes of disks are far below 2^53")]
            let bytes = capacity as f64;
            Ok(bytes)
        })
    }

    /// Tells the guest of an active domain that a disk is larger.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn resize_disk<'env>(
        &self,
        env: &'env Env,
        name: String,
        target: String,
        size_bytes: f64,
        deadline_ms: u32,
    ) -> Promise<'env> {
        self.on_domain(env, "resizeDisk", name, deadline_ms, move |domain| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let bytes = size_bytes as u64;
            domain.block_resize(&target, bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        })
    }

    /// Removes the definition, with managed save, snapshot metadata and variable store.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn undefine<'env>(&self, env: &'env Env, name: String, deadline_ms: u32) -> Promise<'env> {
        let all = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | VIR_DOMAIN_UNDEFINE_NVRAM;
        self.on_domain(env, "undefine", name, deadline_ms, move |domain| domain.undefine_flags(all))
    }

    /// Sends one JSON command to the guest agent; libvirt gives up after `timeoutSeconds`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn agent_command<'env>(
        &self,
        env: &'env Env,
        name: String,
        command: String,
        timeout_seconds: i32,
        deadline_ms: u32,
    ) -> Promise<'env> {
        self.submit(env, Lane::Agent, format!("agentCommand {name}"), deadline_ms, move |link| {
            Ok(link.domain(&name)?.qemu_agent_command(&command, timeout_seconds, 0)?)
        })
    }
}
