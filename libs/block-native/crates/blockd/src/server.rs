//! From a listening socket to a client in a reactor.

pub mod greet;
pub mod listeners;
pub mod relay;
pub mod tls;
