//! Reed-Solomon erasure coding over GF(2^8), without Node-API.
//!
//! The technique is `reed_sol_van`: polynomial 0x11d and the systematic matrix that ISA-L calls
//! `gf_gen_rs_matrix` (`erasure_code/ec_base.c`), so shards are byte for byte those of ISA-L and of
//! Ceph's `isa` plug-in. This crate is the scalar definition; faster kernels are tested against it.

mod codec;
mod error;
mod field;
mod geometry;
mod matrix;

pub use codec::{Codec, RebuiltShard};
pub use error::EcError;
pub use geometry::{Geometry, ShardIndex};
