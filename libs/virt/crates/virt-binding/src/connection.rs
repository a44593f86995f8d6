//! The class that JavaScript holds: opening, closing, and the calls about the host.

use std::sync::Arc;
use std::time::Instant;

use napi::Env;
use napi::bindgen_prelude::{Function, Object, ToNapiValue};
use napi_derive::napi;

use crate::call::Call;
use crate::domain::{self, DomainRecord};
use crate::events::{EventSink, VirtEvent};
use crate::failure::Failure;
use crate::link::{Link, LinkOptions, Subscribe};
use crate::pool::Pool;
use crate::stats::{self, DomainStatistics};
use crate::threads;

/// How to open a connection.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// libvirt URI, such as `qemu:///system` or `test:///default`.
    pub uri: String,
    /// Whether calls that change something are refused by libvirt.
    pub readonly: bool,
    /// The attempt is given up after this time; its thread ends when libvirt lets go.
    pub deadline_ms: u32,
    /// Seconds between two keep-alive messages; 0 sends none.
    pub keep_alive_interval_seconds: i32,
    /// Unanswered messages after which every call on the connection fails.
    pub keep_alive_count: u32,
    /// Connections for guest agent calls beside the one for control, 1 to 8: so many guests may
    /// keep a call waiting at a time.
    pub agent_connections: u32,
}

/// Versions, as libvirt counts them: major * 1,000,000 + minor * 1,000 + release.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct Versions {
    /// Of the library here.
    pub library: u32,
    /// Of the library in the daemon.
    pub daemon: u32,
    /// Of the hypervisor.
    pub hypervisor: u32,
}

/// The host's resources.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct HostResources {
    /// Model of the processor.
    pub model: String,
    /// Memory in KiB.
    pub memory_kib: f64,
    /// Active processors.
    pub cpus: u32,
    /// Frequency in MHz; 0 when unknown.
    pub frequency_mhz: u32,
    /// NUMA nodes.
    pub numa_nodes: u32,
    /// Sockets in a node.
    pub sockets: u32,
    /// Cores in a socket.
    pub cores: u32,
    /// Threads in a core.
    pub threads: u32,
}

/// A call that runs now.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct RunningCall {
    /// The verb and what it is about.
    pub what: String,
    /// Milliseconds since it was asked for.
    pub age_ms: f64,
}

/// Which connection a call goes to: a guest that does not answer must not stop the rest.
#[derive(Clone, Copy)]
pub enum Lane {
    /// Calls that libvirtd answers by itself.
    Control,
    /// Calls that wait for a guest.
    Agent,
    /// Calls that take as long as a machine's memory takes to the disk and back.
    Memory,
}

/// libvirt, over one connection for control, one for memory, and a few for guest agents.
#[napi]
pub struct VirtConnection {
    control: Pool,
    agent: Pool,
    memory: Pool,
}

/// Opens a connection. `onEvent` gets every event until the connection is closed.
/// Rejects with `VIR_TIMEOUT`, `VIR_BUSY`, or `VIR_ERROR` with libvirt's numbers.
#[napi(ts_return_type = "Promise<VirtConnection>")]
#[allow(clippy::needless_pass_by_value)] // arguments come by value from Node-API
pub fn open_connection<'env>(
    env: &'env Env,
    options: OpenOptions,
    on_event: Function<'_, VirtEvent, ()>,
) -> napi::Result<Object<'env>> {
    let sink = EventSink::new(&on_event)?;
    let (call, promise) = Call::<VirtConnection>::begin(env, options.deadline_ms)?;
    let opening = Arc::clone(&call);
    let started = threads::spawn("purlin-virt-open", move || {
        let opened = VirtConnection::open(&options, &sink);
        // An abandoned connection is closed here, by the drop of what nobody took.
        drop(opening.settle(opened));
    });
    if let Err(failure) = started {
        call.fail(failure);
    }
    Ok(promise)
}

impl VirtConnection {
    fn open(options: &OpenOptions, sink: &Arc<EventSink>) -> Result<Self, Failure> {
        let link_options = LinkOptions {
            uri: options.uri.clone(),
            readonly: options.readonly,
            keep_alive_interval_seconds: options.keep_alive_interval_seconds,
            keep_alive_count: options.keep_alive_count,
        };
        let control = Link::open(&link_options, sink, Subscribe::Domains)?;
        let agents: Result<Vec<Link>, Failure> = (0..options.agent_connections.clamp(1, 8))
            .map(|_| Link::open(&link_options, sink, Subscribe::Nothing))
            .collect();
        let memory = Link::open(&link_options, sink, Subscribe::Nothing)?;
        let agent = Pool::start("purlin-virt-guest", agents?)?;
        let memory =
            Pool::start("purlin-virt-save", vec![memory]).inspect_err(|_| agent.close())?;
        let control = Pool::start("purlin-virt-call", vec![control]).inspect_err(|_| {
            agent.close();
            memory.close();
        })?;
        Ok(Self { control, agent, memory })
    }

    /// Queues one call and gives its promise.
    pub(crate) fn submit<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        lane: Lane,
        what: String,
        deadline_ms: u32,
        work: impl FnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let (call, promise) = Call::begin(env, deadline_ms)?;
        let pool = match lane {
            Lane::Control => &self.control,
            Lane::Agent => &self.agent,
            Lane::Memory => &self.memory,
        };
        let waiting = Arc::clone(&call);
        let job = move |link: &Link| {
            if !waiting.is_settled() {
                drop(waiting.settle(work(link)));
            }
        };
        if let Err(failure) = pool.submit(what, Box::new(job)) {
            call.fail(failure);
        }
        Ok(promise)
    }

    /// Lets the workers end; each closes its own connection, which may take as long as it hangs.
    fn shut(&self) {
        self.control.close();
        self.agent.close();
        self.memory.close();
    }
}

impl Drop for VirtConnection {
    fn drop(&mut self) {
        self.shut();
    }
}

#[napi]
impl VirtConnection {
    /// Closes the connection: what waits is rejected with `VIR_CLOSED`, no event comes any more
    /// after a moment. Never waits.
    #[napi]
    pub fn close(&self) {
        self.shut();
    }

    /// The calls that run now, or hang, with their age.
    #[napi]
    pub fn running_calls(&self) -> Vec<RunningCall> {
        let now = Instant::now();
        let all = [&self.control, &self.agent, &self.memory].map(Pool::running);
        let all = all.into_iter().flatten();
        all.map(|(what, begun)| {
            let age_ms = (now - begun).as_secs_f64() * 1000.0;
            RunningCall { what, age_ms }
        })
        .collect()
    }

    /// Whether libvirt still takes the connection for open.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn is_alive<'env>(&self, env: &'env Env, deadline_ms: u32) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, "isAlive".to_owned(), deadline_ms, |link| {
            Ok(link.connect().is_alive()?)
        })
    }

    /// Versions of library, daemon and hypervisor; asks the daemon.
    #[napi(ts_return_type = "Promise<Versions>")]
    pub fn versions<'env>(&self, env: &'env Env, deadline_ms: u32) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, "versions".to_owned(), deadline_ms, |link| {
            Ok(Versions {
                library: virt::connect::Connect::version()?,
                daemon: link.connect().lib_version()?,
                hypervisor: link.connect().hyp_version()?,
            })
        })
    }

    /// The host's name as the daemon knows it.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn hostname<'env>(&self, env: &'env Env, deadline_ms: u32) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, "hostname".to_owned(), deadline_ms, |link| {
            Ok(link.connect().hostname()?)
        })
    }

    /// Capabilities of host and hypervisor, XML.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn capabilities<'env>(
        &self,
        env: &'env Env,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, "capabilities".to_owned(), deadline_ms, |link| {
            Ok(link.connect().capabilities()?)
        })
    }

    /// The host's resources.
    #[napi(ts_return_type = "Promise<HostResources>")]
    pub fn host_resources<'env>(
        &self,
        env: &'env Env,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        self.submit(env, Lane::Control, "hostResources".to_owned(), deadline_ms, |link| {
            let node = link.connect().node_info()?;
            #[allow(clippy::cast_precision_loss)] // KiB of memory stay far below 2^53
            let memory_kib = node.memory as f64;
            Ok(HostResources {
                model: node.model,
                memory_kib,
                cpus: node.cpus,
                frequency_mhz: node.mhz,
                numa_nodes: node.nodes,
                sockets: node.sockets,
                cores: node.cores,
                threads: node.threads,
            })
        })
    }

    /// Every domain, active or not.
    #[napi(ts_return_type = "Promise<Array<DomainRecord>>")]
    pub fn list_domains<'env>(
        &self,
        env: &'env Env,
        deadline_ms: u32,
    ) -> napi::Result<Object<'env>> {
        self.submit::<Vec<DomainRecord>>(
            env,
            Lane::Control,
            "listDomains".to_owned(),
            deadline_ms,
            domain::read_all,
        )
    }

    /// State, balloon, processors, interfaces and disks of every active domain.
    #[napi(ts_return_type = "Promise<Array<DomainStatistics>>")]
    pub fn statistics<'env>(&self, env: &'env Env, deadline_ms: u32) -> napi::Result<Object<'env>> {
        self.submit::<Vec<DomainStatistics>>(
            env,
            Lane::Control,
            "statistics".to_owned(),
            deadline_ms,
            |link| stats::read(link.connect()),
        )
    }
}
