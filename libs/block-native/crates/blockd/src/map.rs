//! Volumes as block devices of this host, by the kernel's NBD client.
//!
//! The kernel is given a connection after the handshake and speaks over it by itself. What it
//! cannot do is connect again, so a process of its own, the keeper, waits until the connection has
//! gone and hands over another one; what was asked of the device meanwhile waits for it.
//!
//! ```text
//! purlin-blockd map -- starts, waits for a line --> guard <--> keeper --- the device's number
//!                                                         | connect, handshake
//! kernel: /dev/nbdN <--- socket, by netlink --------------+
//!                   <--- another socket, whenever the connection has gone
//! ```
//!
//! The guard starts another keeper when it is killed, and the keeper another guard.
//!
//! Source: the kernel's `include/uapi/linux/nbd-netlink.h` and `drivers/block/nbd.c`.

mod begin;
mod genl;
mod guard;
mod keeper;
mod kernel;
mod unmap;

pub use begin::map;
pub use guard::guard;
pub use keeper::{MapOptions, Standing, keep};
pub use unmap::unmap;
