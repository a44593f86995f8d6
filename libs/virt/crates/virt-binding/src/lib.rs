//! libvirt for Node. Every call runs on a thread of ours, has a deadline given by the caller, and
//! answers with a promise; events come through one callback per connection.
//!
//! ```text
//! JavaScript            threads of this addon                     libvirt
//! connection.list() --> call.rs: promise + deadline entry
//!                       pool.rs: queue -> worker ---------------> virConnectListAllDomains
//! deadline.rs: passes first? rejects VIR_TIMEOUT, the worker's answer is dropped onEvent
//! <------------ events.rs <---- event_loop.rs <---------- virEventRunDefaultImpl
//! ```

mod call;
mod connection;
mod console_calls;
mod deadline;
mod device_calls;
mod domain;
mod domain_calls;
mod event_loop;
mod events;
mod failure;
mod link;
mod pool;
mod snapshot_calls;
mod stats;
mod threads;
