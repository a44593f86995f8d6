//! The calls that work in libuv's pool, on memory of [`crate::allocation`] alone.

use napi::bindgen_prelude::{AsyncTask, Buffer, BufferSlice};
use napi::{Env, Task};
use napi_derive::napi;
use purlin_ec_core::Codec;

use crate::allocation::{Allocation, hold};
use crate::calls::{Outcome, outcome};
use crate::failure::{EcFailure, guarded};
use crate::handles;
use crate::work::Work;

/// Work on its way through the pool.
pub struct PoolTask {
    step: Result<Step, EcFailure>,
    /// Keeps the memory, whatever JavaScript does with its buffers meanwhile.
    _held: Vec<Allocation>,
}

enum Step {
    Work { work: Work, inputs: Vec<Buffer>, outputs: Vec<Buffer> },
    Batch { codec: Codec, arena: Buffer, shard_bytes: usize },
}

impl Step {
    fn run(&mut self) -> Result<Option<Vec<u32>>, EcFailure> {
        match self {
            Self::Work { work, inputs, outputs } => {
                let inputs: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
                let mut outputs: Vec<&mut [u8]> = outputs.iter_mut().map(AsMut::as_mut).collect();
                work.run(&inputs, &mut outputs)
            }
            Self::Batch { codec, arena, shard_bytes } => {
                codec.encode_batch(arena, *shard_bytes)?;
                Ok(None)
            }
        }
    }
}

impl Task for PoolTask {
    type Output = Result<Option<Vec<u32>>, EcFailure>;
    type JsValue = Outcome;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(guarded(|| match &mut self.step {
            Ok(step) => step.run(),
            Err(failure) => Err(failure.clone()),
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(outcome(output))
    }
}

/// As `perform`, in the pool; `undefined`, and nothing is done, where some memory is not ours.
#[napi]
pub fn perform_in_pool(
    env: Env,
    operation: u32,
    handle: u32,
    index: u32,
    inputs: Vec<BufferSlice<'_>>,
    outputs: Vec<BufferSlice<'_>>,
) -> napi::Result<Option<AsyncTask<PoolTask>>> {
    let Some(held) = inputs.iter().chain(&outputs).map(|buffer| hold(buffer)).collect() else {
        return Ok(None);
    };
    let keep = |buffers: Vec<BufferSlice<'_>>| -> napi::Result<Vec<Buffer>> {
        buffers.into_iter().map(|buffer| buffer.into_buffer(&env)).collect()
    };
    let (inputs, outputs) = (keep(inputs)?, keep(outputs)?);
    let step = guarded(|| {
        let work = Work::new(operation, handle, index)?;
        Ok(Step::Work { work, inputs, outputs })
    });
    Ok(Some(AsyncTask::new(PoolTask { step, _held: held })))
}

/// As `encodeBatch`, in the pool; `undefined`, and nothing is done, where the memory is not ours.
#[napi]
pub fn encode_batch_in_pool(
    env: Env,
    handle: u32,
    arena: BufferSlice<'_>,
    shard_bytes: i64,
) -> napi::Result<Option<AsyncTask<PoolTask>>> {
    let Some(held) = hold(&arena) else { return Ok(None) };
    let arena = arena.into_buffer(&env)?;
    let step = guarded(|| {
        let shard_bytes = usize::try_from(shard_bytes).unwrap_or_default();
        Ok(Step::Batch { codec: handles::codec(handle)?, arena, shard_bytes })
    });
    Ok(Some(AsyncTask::new(PoolTask { step, _held: vec![held] })))
}
