//! The network block device protocol: haggling, requests and replies, without sockets.

pub mod client;
pub mod exports;
pub mod handshake;
pub mod protocol;
pub mod reply;
pub mod request;
