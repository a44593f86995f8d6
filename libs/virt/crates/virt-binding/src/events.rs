//! Events of a connection, from libvirt's event loop to one JavaScript callback that does not keep
//! Node alive.

use std::ffi::{CStr, c_char, c_int, c_ulonglong, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use virt::connect::Connect;
use virt_sys::{
    VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
    VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE, VIR_DOMAIN_EVENT_ID_REBOOT,
    VIR_UUID_STRING_BUFLEN, virConnectDomainEventGenericCallback, virConnectPtr, virDomainPtr,
};

use crate::failure::Failure;

/// Events that may wait for the JavaScript thread; more are counted and left out.
const EVENTS_WAITING_MAX: usize = 4096;

/// One event, with libvirt's own numbers.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct VirtEvent {
    /// `lifecycle`, `agent`, `reboot`, `device` or `closed` (the connection).
    #[napi(ts_type = "'lifecycle' | 'agent' | 'reboot' | 'device' | 'closed'")]
    pub kind: String,
    /// Name of the domain; absent for `closed`.
    pub domain: Option<String>,
    /// UUID of the domain; absent for `closed`.
    pub uuid: Option<String>,
    /// `virDomainEventType`, the agent's state, or of a device: 0 it is gone, 1 the guest keeps it,
    /// 2 it has another size; 0 otherwise.
    pub event: i32,
    /// The event's detail, or the reason of the agent's state or of the end of the connection.
    pub detail: i32,
    /// Alias of the device; of `device` alone.
    pub device: Option<String>,
    /// Events left out before this one because JavaScript was too slow: read everything anew.
    pub dropped: u32,
}

type Callback =
    ThreadsafeFunction<VirtEvent, (), VirtEvent, Status, false, true, EVENTS_WAITING_MAX>;

/// Where the events of one connection go.
pub struct EventSink {
    callback: Callback,
    dropped: AtomicU32,
}

impl EventSink {
    /// Must run on the JavaScript thread.
    pub fn new(on_event: &Function<VirtEvent, ()>) -> napi::Result<Arc<Self>> {
        let callback = on_event
            .build_threadsafe_function::<VirtEvent>()
            .weak::<true>()
            .max_queue_size::<EVENTS_WAITING_MAX>()
            .build_callback(|context| Ok(context.value))?;
        Ok(Arc::new(Self { callback, dropped: AtomicU32::new(0) }))
    }

    fn send(&self, mut event: VirtEvent) {
        event.dropped = self.dropped.swap(0, Ordering::SeqCst);
        let before = event.dropped;
        let status = self.callback.call(event, ThreadsafeFunctionCallMode::NonBlocking);
        if status == Status::QueueFull {
            self.dropped.fetch_add(before.saturating_add(1), Ordering::SeqCst);
        }
    }
}

/// Something subscribed to, to be ended before the connection is closed.
pub enum Registration {
    /// An event of all domains, by its callback id.
    Domain(c_int),
    /// The end of the connection.
    Close,
}

impl Registration {
    /// Ends the subscription; libvirt then gives the sink back. A broken connection may answer with
    /// an error, which changes nothing.
    pub fn end(self, connect: &Connect) {
        // SAFETY: the connection is open, and the id or function is the one registered on it.
        unsafe {
            match self {
                Self::Domain(id) => {
                    virt_sys::virConnectDomainEventDeregisterAny(connect.as_ptr(), id)
                }
                Self::Close => {
                    virt_sys::virConnectUnregisterCloseCallback(connect.as_ptr(), Some(on_close))
                }
            }
        };
    }
}

/// Subscribes to lifecycle, reboot, guest agent and devices of all domains; what is subscribed to
/// is put into `registered` even when a later one fails.
pub fn register_domains(
    connect: &Connect,
    sink: &Arc<EventSink>,
    registered: &mut Vec<Registration>,
) -> Result<(), Failure> {
    type Lifecycle =
        unsafe extern "C" fn(virConnectPtr, virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
    type Agent = unsafe extern "C" fn(virConnectPtr, virDomainPtr, c_int, c_int, *mut c_void);
    type Device = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *const c_char, *mut c_void);
    type Resized =
        unsafe extern "C" fn(virConnectPtr, virDomainPtr, *const c_char, c_ulonglong, *mut c_void);
    let lifecycle: Lifecycle = on_lifecycle;
    let agent: Agent = on_agent;
    let removed: Device = on_removed;
    let refused: Device = on_refused;
    let resized: Resized = on_resized;
    // SAFETY: libvirt takes every event callback as a generic one and calls it with the arguments
    // that belong to the event id (documentation of virConnectDomainEventRegisterAny); each
    // function below has the signature of the id it is registered for.
    let callbacks = unsafe {
        [
            (
                VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                std::mem::transmute::<Lifecycle, virConnectDomainEventGenericCallback>(lifecycle),
            ),
            (VIR_DOMAIN_EVENT_ID_REBOOT, Some(on_reboot as _)),
            (
                VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                std::mem::transmute::<Agent, virConnectDomainEventGenericCallback>(agent),
            ),
            (
                VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                std::mem::transmute::<Device, virConnectDomainEventGenericCallback>(removed),
            ),
            (
                VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
                std::mem::transmute::<Device, virConnectDomainEventGenericCallback>(refused),
            ),
            (
                VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE,
                std::mem::transmute::<Resized, virConnectDomainEventGenericCallback>(resized),
            ),
        ]
    };
    for (event, callback) in callbacks {
        match register_domain(connect, sink, event, callback) {
            Ok(registration) => registered.push(registration),
            Err(failure) if failure.is_unsupported() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Subscribes to the end of the connection.
pub fn register_close(connect: &Connect, sink: &Arc<EventSink>) -> Result<Registration, Failure> {
    let opaque = Arc::into_raw(Arc::clone(sink)).cast_mut().cast::<c_void>();
    // SAFETY: `opaque` is a counted reference which `free_sink` gives back; the functions live as
    // long as the addon, which is never unloaded.
    let done = unsafe {
        let connection = connect.as_ptr();
        virt_sys::virConnectRegisterCloseCallback(
            connection,
            Some(on_close),
            opaque,
            Some(free_sink),
        )
    };
    if done >= 0 {
        return Ok(Registration::Close);
    }
    let failure = Failure::last();
    // SAFETY: libvirt did not take the reference, so it is given back here.
    unsafe { free_sink(opaque) };
    Err(failure)
}

fn register_domain(
    connect: &Connect,
    sink: &Arc<EventSink>,
    event: u32,
    callback: virConnectDomainEventGenericCallback,
) -> Result<Registration, Failure> {
    let opaque = Arc::into_raw(Arc::clone(sink)).cast_mut().cast::<c_void>();
    let any = std::ptr::null_mut();
    // SAFETY: a null domain means all domains; `opaque` is a counted reference that `free_sink`
    // gives back when the subscription ends; see `register_domains` for the callback's type.
    let id = unsafe {
        virt_sys::virConnectDomainEventRegisterAny(
            connect.as_ptr(),
            any,
            event.cast_signed(),
            callback,
            opaque,
            Some(free_sink),
        )
    };
    if id >= 0 {
        return Ok(Registration::Domain(id));
    }
    let failure = Failure::last();
    // SAFETY: libvirt did not take the reference, so it is given back here.
    unsafe { free_sink(opaque) };
    Err(failure)
}

unsafe extern "C" fn free_sink(opaque: *mut c_void) {
    // SAFETY: `opaque` came from `Arc::into_raw` of an `EventSink`; libvirt calls this once.
    drop(unsafe { Arc::from_raw(opaque.cast_const().cast::<EventSink>()) });
}

unsafe extern "C" fn on_lifecycle(
    _connect: virConnectPtr,
    domain: virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt hands on the domain and the sink for the length of this call.
    unsafe { send("lifecycle", domain, event, detail, opaque) };
    0
}

unsafe extern "C" fn on_reboot(_connect: virConnectPtr, domain: virDomainPtr, opaque: *mut c_void) {
    // SAFETY: libvirt hands on the domain and the sink for the length of this call.
    unsafe { send("reboot", domain, 0, 0, opaque) };
}

unsafe extern "C" fn on_agent(
    _connect: virConnectPtr,
    domain: virDomainPtr,
    state: c_int,
    reason: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: libvirt hands on the domain and the sink for the length of this call.
    unsafe { send("agent", domain, state, reason, opaque) };
}

unsafe extern "C" fn on_removed(
    _connect: virConnectPtr,
    domain: virDomainPtr,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: libvirt hands on the domain, the alias and the sink for the length of this call.
    unsafe { send_device(domain, 0, alias, opaque) };
}

unsafe extern "C" fn on_refused(
    _connect: virConnectPtr,
    domain: virDomainPtr,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: libvirt hands on the domain, the alias and the sink for the length of this call.
    unsafe { send_device(domain, 1, alias, opaque) };
}

unsafe extern "C" fn on_resized(
    _connect: virConnectPtr,
    domain: virDomainPtr,
    alias: *const c_char,
    _size: c_ulonglong,
    opaque: *mut c_void,
) {
    // SAFETY: libvirt hands on the domain, the alias and the sink for the length of this call.
    unsafe { send_device(domain, 2, alias, opaque) };
}

unsafe extern "C" fn on_close(_connect: virConnectPtr, reason: c_int, opaque: *mut c_void) {
    // SAFETY: libvirt hands on the sink for the length of this call; there is no domain.
    unsafe { send("closed", std::ptr::null_mut(), 0, reason, opaque) };
}

/// # Safety
/// `domain` is null or valid, `opaque` is a live `EventSink`.
unsafe fn send(kind: &str, domain: virDomainPtr, event: c_int, detail: c_int, opaque: *mut c_void) {
    // SAFETY: as the caller promises; the sink is only borrowed.
    unsafe { &*opaque.cast_const().cast::<EventSink>() }
        // SAFETY: as the caller promises.
        .send(unsafe { event_of(kind, domain, event, detail) });
}

/// # Safety
/// As `send`; `alias` is null or a text that ends with a NUL.
unsafe fn send_device(
    domain: virDomainPtr,
    event: c_int,
    alias: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as the caller promises; the text is copied at once.
    let device =
        (!alias.is_null()).then(|| unsafe { CStr::from_ptr(alias) }.to_string_lossy().into_owned());
    // SAFETY: as the caller promises; the sink is only borrowed.
    let sink = unsafe { &*opaque.cast_const().cast::<EventSink>() };
    // SAFETY: as the caller promises.
    sink.send(VirtEvent { device, ..unsafe { event_of("device", domain, event, 0) } });
}

/// # Safety
/// `domain` is null or valid.
unsafe fn event_of(kind: &str, domain: virDomainPtr, event: c_int, detail: c_int) -> VirtEvent {
    let (mut name, mut uuid) = (None, None);
    if !domain.is_null() {
        // SAFETY: the domain is valid; its name lives as long as it, and is copied at once.
        let text = unsafe { virt_sys::virDomainGetName(domain) };
        if !text.is_null() {
            // SAFETY: libvirt's names end with a NUL.
            name = Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
        }
        let mut buffer: [c_char; VIR_UUID_STRING_BUFLEN as usize] =
            [0; VIR_UUID_STRING_BUFLEN as usize];
        // SAFETY: the buffer has the length that libvirt's documentation asks for.
        if unsafe { virt_sys::virDomainGetUUIDString(domain, buffer.as_mut_ptr()) } == 0 {
            // SAFETY: libvirt ended the text with a NUL inside the buffer.
            let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
            uuid = Some(text.to_string_lossy().into_owned());
        }
    }
    VirtEvent { kind: kind.to_owned(), domain: name, uuid, event, detail, device: None, dropped: 0 }
}

/// Keeps the sink's type honest: it is used from libvirt's thread and from JavaScript's.
const _: fn(&Env) = |_| {
    fn shared<T: Send + Sync>() {}
    shared::<EventSink>();
};
