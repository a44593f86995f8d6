//! Reed-Solomon erasure coding over GF(2^8), without Node-API.
//!
//! Polynomial 0x11d and the matrices of ISA-L (`gf_gen_rs_matrix` and `gf_gen_cauchy1_matrix`,
//! `erasure_code/ec_base.c`), so shards are byte for byte those of ISA-L and of Ceph's `isa`
//! plug-in. A [`Codec`] encodes, verifies, updates and rebuilds; a [`DecodePlan`] is the worked-out
//! way to rebuild one set of losses and can be kept. Whatever runs often allocates nothing.
//!
//! `unsafe` stands in the kernels alone (`src/kernel`), each of which is tested against the scalar
//! one.

#![deny(unsafe_code)]

mod arena;
mod checksum;
mod codec;
mod digest;
mod error;
mod field;
mod folding;
mod geometry;
mod kernel;
mod matrix;
mod overlap;
mod plan;
mod plan_cache;
mod shard_set;
mod shards;
mod table;
mod technique;
mod write_method;

pub use arena::StripeArena;
pub use checksum::{crc32c, crc32c_append};
pub use codec::Codec;
pub use digest::Digest;
pub use error::EcError;
pub use folding::Folding;
pub use geometry::{Geometry, SHARDS_MAX, ShardIndex};
pub use kernel::{Kernel, Store};
pub use overlap::{overlaps, refuse_overlaps};
pub use plan::DecodePlan;
pub use shard_set::ShardSet;
pub use technique::Technique;
pub use write_method::{WriteMethod, WritePlan, write_plan};
