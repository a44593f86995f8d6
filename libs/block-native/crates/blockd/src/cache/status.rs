//! How caches are, as JSON, and the words of calls as the cache knows them.

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_cache_core::cache::{Mode, Phase};
use serde_json::{Value, json};

use super::calls::{CacheAnswer, CallError, LayerStatus, code};
use crate::config::CacheMode;
use crate::control::protocol::Failure;

impl From<CacheMode> for Mode {
    fn from(mode: CacheMode) -> Self {
        match mode {
            CacheMode::Writethrough => Self::Writethrough,
            CacheMode::Writeback => Self::Writeback,
            CacheMode::PassThrough => Self::PassThrough,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The answer to a call as JSON.
pub(crate) fn of_answer(answer: CacheAnswer) -> Value {
    match answer {
        CacheAnswer::Done => json!({}),
        CacheAnswer::Status(layers) => {
            json!({ "layers": layers.iter().map(of_layer).collect::<Vec<_>>() })
        }
        CacheAnswer::Taken(taken) => json!({
            "lines": taken.lines,
            "requests": taken.requests,
            "more": taken.more,
            "dropped": taken.dropped,
        }),
    }
}

fn of_layer(layer: &LayerStatus) -> Value {
    let LayerStatus { origin, devices, cache, slots, lost, counts } = layer;
    let (phase, error) = match cache.phase {
        Phase::Starting => ("starting", None),
        Phase::Running => ("running", None),
        Phase::Detached => ("detached", None),
        Phase::Refused(error) => ("refused", Some(error)),
    };
    let mode = match cache.mode {
        Mode::Writethrough => "writethrough",
        Mode::Writeback => "writeback",
        Mode::PassThrough => "pass-through",
    };
    let bytes = |pages: usize| pages * BLOCK_BYTES;
    json!({
        "origin": origin,
        "devices": devices,
        "phase": phase,
        "error": error.map(|error| json!({ "code": code(error), "message": error.to_string() })),
        "mode": mode,
        "sizeBytes": u64::from(*slots) * BLOCK_BYTES as u64,
        "cachedBytes": bytes(cache.cached_pages),
        "dirtyBytes": bytes(cache.dirty_pages),
        "lostBytes": bytes(cache.lost_pages),
        "lostOffsets": lost.iter().map(|page| page * BLOCK_BYTES as u64).collect::<Vec<_>>(),
        "devicesInUse": cache.ssds,
        "adoptedBytes": cache.adopted_slots.map(|slots| u64::from(slots) * BLOCK_BYTES as u64),
        "deviceErrors": cache.ssd_errors,
        "readPages": counts.read_pages,
        "missedPages": counts.missed_pages,
        "writtenPages": counts.written_pages,
        "originReads": counts.origin_reads,
        "originWrites": counts.origin_writes,
        "deviceWrittenBytes": counts.ssd_written_bytes,
    })
}
