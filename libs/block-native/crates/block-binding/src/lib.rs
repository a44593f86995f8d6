//! The thin Node-API face of `purlin-block-core`: placement for tools and tests. Tables cross as
//! their bytes, errors as values (`BlockFailure`); the TypeScript above throws them with their
//! code.

#![allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]

mod answers;
mod calls;
mod failure;
mod inputs;
