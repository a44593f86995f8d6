//! The discovery system's own program. As the first process of a live system it brings up devices
//! and one network link, reports the hardware, and follows the orders of the deployment server:
//! write an image, erase disks, let an operator in, restart, power off.
//!
//! What is decided (parsing, checking, planning) is pure and tested on any machine; what is done
//! calls Debian's programs with argument arrays.

pub mod clean;
pub mod clock;
pub mod console;
pub mod disks;
pub mod dmi;
pub mod erase;
pub mod exec;
pub mod failure;
pub mod http;
pub mod identity;
pub mod image;
pub mod init;
pub mod kernel_line;
pub mod lldp;
pub mod network;
pub mod order;
pub mod order_check;
pub mod pci;
pub mod report;
pub mod rescue;
pub mod serve;
pub mod word;
