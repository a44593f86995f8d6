//! The codecs and plans of a thread, by their handles.

use std::cell::RefCell;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use purlin_ec_core::{Codec, DecodePlan, ShardSet, Store, Technique};

use crate::failure::{EcFailure, guarded};
use crate::slab::Slab;

thread_local! {
    // Each thread of JavaScript loads the addon for itself, and a handle never leaves its thread.
    static CODECS: RefCell<Slab<Codec>> = const { RefCell::new(Slab::new()) };
    static PLANS: RefCell<Slab<DecodePlan>> = const { RefCell::new(Slab::new()) };
}

/// A codec as JavaScript knows it.
#[napi(object)]
pub struct CodecHandle {
    /// Its number.
    pub handle: u32,
    /// The technique it uses.
    pub technique: String,
    /// The kernel it runs on.
    pub kernel: String,
}

/// A decode plan as JavaScript knows it.
#[napi(object)]
pub struct PlanHandle {
    /// Its number.
    pub handle: u32,
    /// The shards to read, ascending.
    pub sources: Vec<u32>,
}

/// Makes a codec. Without a technique `reed_sol_van` where it is MDS, else `cauchy`.
#[napi]
#[must_use]
pub fn create_codec(
    data_shards: u32,
    parity_shards: u32,
    technique: Option<String>,
    store: Option<String>,
) -> Either<CodecHandle, EcFailure> {
    answer(guarded(|| {
        let (k, m) = (data_shards as usize, parity_shards as usize);
        let technique = match technique {
            Some(name) => name.parse()?,
            None => Technique::default_for(k, m),
        };
        let codec = Codec::new(k, m, technique)?.with_store(store_named(store.as_deref())?);
        let kernel = codec.kernel().name().to_owned();
        let handle = CODECS.with_borrow_mut(|codecs| codecs.insert(codec)).ok_or_else(full)?;
        Ok(CodecHandle { handle, technique: technique.name().to_owned(), kernel })
    }))
}

/// Lets a codec go.
#[napi]
pub fn release_codec(handle: u32) {
    CODECS.with_borrow_mut(|codecs| codecs.remove(handle));
}

/// Works out how to make the shards `wanted` of those `present`.
#[napi]
#[must_use]
pub fn plan_decode(
    handle: u32,
    present: Vec<u32>,
    wanted: Vec<u32>,
) -> Either<PlanHandle, EcFailure> {
    answer(guarded(|| {
        let plan = codec(handle)?.decode_plan(&set(&present), &set(&wanted))?;
        let sources = plan.sources().iter().map(|index| number(index.0)).collect();
        let handle = PLANS.with_borrow_mut(|plans| plans.insert(plan)).ok_or_else(full)?;
        Ok(PlanHandle { handle, sources })
    }))
}

/// Lets a plan go.
#[napi]
pub fn release_plan(handle: u32) {
    PLANS.with_borrow_mut(|plans| plans.remove(handle));
}

/// The codec of a handle; clones share everything but their handle.
pub fn codec(handle: u32) -> Result<Codec, EcFailure> {
    with_codec(handle, Codec::clone)
}

/// Does `action` with the codec of a handle, without the cost of a clone.
pub fn with_codec<Value>(
    handle: u32,
    action: impl FnOnce(&Codec) -> Value,
) -> Result<Value, EcFailure> {
    CODECS.with_borrow(|codecs| codecs.get(handle).map(action)).ok_or_else(|| unknown("codec"))
}

/// The plan of a handle.
pub fn plan(handle: u32) -> Result<DecodePlan, EcFailure> {
    PLANS.with_borrow(|plans| plans.get(handle).cloned()).ok_or_else(|| unknown("decode plan"))
}

/// The set of shards with these indices.
pub fn set(indices: &[u32]) -> ShardSet {
    indices.iter().map(|&index| index as usize).collect()
}

/// A count or an index of the core, all of which are far below 2^32.
pub fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A result as the two sorts of value that JavaScript tells apart.
pub fn answer<Value>(result: Result<Value, EcFailure>) -> Either<Value, EcFailure> {
    result.map_or_else(Either::B, Either::A)
}

fn store_named(name: Option<&str>) -> Result<Store, EcFailure> {
    match name {
        None | Some("cached") => Ok(Store::Cached),
        Some("stream") => Ok(Store::Stream),
        Some(other) => {
            Err(EcFailure::invalid(format!("there is no store {other:?}: use cached or stream")))
        }
    }
}

fn unknown(what: &str) -> EcFailure {
    EcFailure::invalid(format!("there is no {what} of this handle in this thread"))
}

fn full() -> EcFailure {
    EcFailure::invalid("this thread holds as many codecs or plans as can be numbered")
}
