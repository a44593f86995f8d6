//! What can be done with borrowed buffers, in whatever thread.

use purlin_ec_core::{Codec, DecodePlan, ShardIndex};

use crate::failure::EcFailure;
use crate::handles;

/// What is done: the numbers are those of `operations` in `src/addon.ts`, which says what each
/// takes.
pub enum Work {
    Encode(Codec),
    Verify(Codec),
    Update(Codec, ShardIndex),
    ApplyDelta(Codec, ShardIndex),
    Accumulate(Codec, ShardIndex),
    Reconstruct(DecodePlan),
    AccumulatePlan(DecodePlan, ShardIndex),
}

impl Work {
    /// The work of a number. The handle is a plan's for the last two, else a codec's.
    pub fn new(operation: u32, handle: u32, index: u32) -> Result<Self, EcFailure> {
        let index = ShardIndex(index as usize);
        Ok(match operation {
            0 => Self::Encode(handles::codec(handle)?),
            1 => Self::Verify(handles::codec(handle)?),
            2 => Self::Update(handles::codec(handle)?, index),
            3 => Self::ApplyDelta(handles::codec(handle)?, index),
            4 => Self::Accumulate(handles::codec(handle)?, index),
            5 => Self::Reconstruct(handles::plan(handle)?),
            6 => Self::AccumulatePlan(handles::plan(handle)?, index),
            _ => return Err(EcFailure::invalid(format!("there is no operation {operation}"))),
        })
    }

    /// Does it; the parity rows that differ, which only `Verify` can answer with.
    pub fn run(
        &self,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<Option<Vec<u32>>, EcFailure> {
        refuse_overlaps(inputs, outputs)?;
        let single = || match inputs {
            [input] => Ok(*input),
            _ => Err(EcFailure::invalid(format!("{} inputs were given for one", inputs.len()))),
        };
        match self {
            Self::Encode(codec) => codec.encode(inputs, outputs)?,
            Self::Verify(codec) => {
                let data_shards = codec.geometry().data_shards().min(inputs.len());
                let (data, parity) = inputs.split_at(data_shards);
                let differing = codec.verify(data, parity)?;
                return Ok(Some(differing.iter().map(|row| handles::number(row.0)).collect()));
            }
            Self::Update(codec, index) => {
                let &[old, new] = inputs else {
                    let found = inputs.len();
                    return Err(EcFailure::invalid(format!("{found} inputs were given for two")));
                };
                codec.update(*index, old, new, outputs)?;
            }
            Self::ApplyDelta(codec, index) => codec.apply_delta(*index, single()?, outputs)?,
            Self::Accumulate(codec, index) => codec.accumulate(*index, single()?, outputs)?,
            Self::Reconstruct(plan) => plan.reconstruct(inputs, outputs)?,
            Self::AccumulatePlan(plan, index) => plan.accumulate(*index, single()?, outputs)?,
        }
        Ok(None)
    }
}

/// Refuses buffers to be written that share bytes with any other one, by their addresses: several
/// views of one `ArrayBuffer` may overlap in part. Inputs may overlap one another.
pub fn refuse_overlaps(inputs: &[&[u8]], outputs: &[&mut [u8]]) -> Result<(), EcFailure> {
    for (place, output) in outputs.iter().enumerate() {
        let written = output.as_ptr_range();
        let shares = |other: std::ops::Range<*const u8>| {
            other.start < written.end && written.start < other.end
        };
        let what = if let Some(input) = inputs.iter().position(|each| shares(each.as_ptr_range())) {
            format!("input {input}")
        } else if let Some(other) =
            outputs[..place].iter().position(|each| shares(each.as_ptr_range()))
        {
            format!("output {other}")
        } else {
            continue;
        };
        return Err(EcFailure {
            code: "PUR_EC_OVERLAP".to_owned(),
            message: format!(
                "output {place} and {what} share bytes: what is written needs memory of its own"
            ),
        });
    }
    Ok(())
}
