//! The thin Node-API face of `purlin-ec-core`: free functions over borrowed buffers, and codecs and
//! plans known by a number. Errors cross as values (`EcFailure`); the TypeScript above checks
//! types, throws the values with their code, and says what each function takes.
//!
//! Nothing is worked out here. `unsafe` stands where memory crosses the border alone: in
//! [`allocation`] (memory handed to JavaScript) and [`stripe_call`] (the one call whose overhead
//! matters), each with its reason.

#![allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]

mod allocation;
mod answers;
mod calls;
mod failure;
mod handles;
mod pool;
mod slab;
mod stripe_call;
mod work;
