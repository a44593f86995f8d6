//! Replays a trace through the policies, in a thread of the pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::{AsyncTask, Either};
use napi::{Env, Task};
use napi_derive::napi;
use purlin_cache_sim::advise::advise;
use purlin_cache_sim::generate::{KINDS, generate};
use purlin_cache_sim::{Format, Row, SimulateError, Trace, simulate};

use crate::CacheFailure;

/// Where the requests come from.
#[napi(object)]
pub struct TraceSource {
    /// A file, with its format `lis`, `csv` or `oracle`.
    pub path: Option<String>,
    /// The format of the file.
    pub format: Option<String>,
    /// A kind of made trace, where there is no file.
    pub kind: Option<String>,
    /// The seed of a made trace.
    pub seed: Option<u32>,
    /// How many requests a made trace has.
    pub requests: Option<u32>,
}

/// What one policy did at one size.
#[napi(object)]
pub struct SimulationRow {
    /// The policy's name; ours is `purlin`.
    pub policy: String,
    /// The size as percent of the distinct pages.
    pub percent: f64,
    /// Misses of all requests.
    pub miss_ratio: f64,
    /// Pages written to flash of all requests.
    pub flash_writes_per_request: f64,
    /// Memory of index, queues and ghosts in bytes.
    pub metadata_bytes: f64,
}

/// The rows of a trace and what it is.
#[napi(object)]
pub struct SimulationOutcome {
    /// Requests of the trace.
    pub requests: f64,
    /// Different pages of the trace.
    pub distinct_pages: f64,
    /// Every policy at every size.
    pub rows: Vec<SimulationRow>,
}

/// A simulation that can be stopped.
#[napi]
pub struct Simulation {
    stop: Arc<AtomicBool>,
}

#[napi]
impl Simulation {
    /// One that has not begun.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript constructs it")]
    #[must_use]
    pub fn new() -> Self {
        Self { stop: Arc::new(AtomicBool::new(false)) }
    }

    /// Ends `run` soon.
    #[napi]
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Replays the trace.
    #[napi(ts_return_type = "Promise<SimulationOutcome | CacheFailure>")]
    #[must_use]
    pub fn run(&self, source: TraceSource, percents: Vec<f64>) -> AsyncTask<SimulationTask> {
        AsyncTask::new(SimulationTask { source, percents, stop: Arc::clone(&self.stop) })
    }

    /// Replays the trace in the cache's own code, in every mode.
    #[napi(ts_return_type = "Promise<AdviceOutcome | CacheFailure>")]
    #[must_use]
    pub fn advise(&self, source: TraceSource, percents: Vec<f64>) -> AsyncTask<AdviceTask> {
        let stop = Arc::clone(&self.stop);
        AsyncTask::new(AdviceTask(SimulationTask { source, percents, stop }))
    }
}

/// The work of a simulation.
pub struct SimulationTask {
    source: TraceSource,
    percents: Vec<f64>,
    stop: Arc<AtomicBool>,
}

impl Task for SimulationTask {
    type Output = Either<SimulationOutcome, CacheFailure>;
    type JsValue = Either<SimulationOutcome, CacheFailure>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(match self.outcome() {
            Ok(outcome) => Either::A(outcome),
            Err(failure) => Either::B(failure),
        })
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}

impl SimulationTask {
    #[allow(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn outcome(&self) -> Result<SimulationOutcome, CacheFailure> {
        let trace = trace_of(&self.source)?;
        let rows = simulate(&trace, &self.percents, &self.stop).map_err(failure_of)?;
        Ok(SimulationOutcome {
            requests: trace.requests() as f64,
            distinct_pages: trace.distinct_pages() as f64,
            rows: rows.iter().map(row_of).collect(),
        })
    }
}

/// What a cache of one mode and size would do.
#[napi(object)]
pub struct AdviceRow {
    /// `writethrough` or `writeback`.
    pub mode: String,
    /// The size as percent of the distinct pages.
    pub percent: f64,
    /// The SSD it takes in bytes.
    pub size_bytes: f64,
    /// Reads that the disk did not see, of all reads.
    pub hit_ratio: f64,
    /// Requests to the disk of all requests.
    pub disk_requests_per_request: f64,
    /// Blocks written to the SSD of all requests.
    pub flash_writes_per_request: f64,
}

/// The advice for a trace and what it is.
#[napi(object)]
pub struct AdviceOutcome {
    /// Requests of the trace.
    pub requests: f64,
    /// Different pages of the trace.
    pub distinct_pages: f64,
    /// Every mode at every size.
    pub rows: Vec<AdviceRow>,
}

/// The work of an advice.
pub struct AdviceTask(SimulationTask);

impl Task for AdviceTask {
    type Output = Either<AdviceOutcome, CacheFailure>;
    type JsValue = Either<AdviceOutcome, CacheFailure>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(match self.outcome() {
            Ok(outcome) => Either::A(outcome),
            Err(failure) => Either::B(failure),
        })
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}

impl AdviceTask {
    #[allow(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn outcome(&self) -> Result<AdviceOutcome, CacheFailure> {
        let Self(SimulationTask { source, percents, stop }) = self;
        let trace = trace_of(source)?;
        let rows = advise(&trace, percents, stop).map_err(failure_of)?;
        let rows = rows.into_iter().map(|row| AdviceRow {
            mode: row.mode.to_owned(),
            percent: row.percent,
            size_bytes: row.size_bytes as f64,
            hit_ratio: row.hit_ratio,
            disk_requests_per_request: row.disk_requests_per_request,
            flash_writes_per_request: row.flash_writes_per_request,
        });
        Ok(AdviceOutcome {
            requests: trace.requests() as f64,
            distinct_pages: trace.distinct_pages() as f64,
            rows: rows.collect(),
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failure_of(error: SimulateError) -> CacheFailure {
    let code = match error {
        SimulateError::Percent(_) => "PUR_CACHE_TRACE",
        SimulateError::Stopped => "PUR_CANCELLED",
    };
    CacheFailure { code: code.to_owned(), message: error.to_string() }
}

fn trace_of(source: &TraceSource) -> Result<Trace, CacheFailure> {
    if let Some(path) = &source.path {
        let format: Format =
            source.format.as_deref().unwrap_or_default().parse().map_err(bad_trace)?;
        let path = PathBuf::from(path);
        return Trace::read(&path, format).map_err(|error| bad_trace(error.to_string()));
    }
    let name = source.kind.as_deref().unwrap_or_default();
    let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| bad_trace(format!("{name:?} is no kind of made trace")))?;
    let requests = source.requests.unwrap_or_default().max(1) as usize;
    Ok(Trace::new(generate(kind, u64::from(source.seed.unwrap_or_default()), requests)))
}

fn bad_trace(message: String) -> CacheFailure {
    CacheFailure { code: "PUR_CACHE_TRACE".to_owned(), message }
}

#[allow(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
fn row_of(row: &Row) -> SimulationRow {
    SimulationRow {
        policy: row.policy.to_owned(),
        percent: row.percent,
        miss_ratio: row.miss_ratio,
        flash_writes_per_request: row.flash_writes_per_request,
        metadata_bytes: row.metadata_bytes as f64,
    }
}

/// The names of the kinds of made traces.
#[napi]
#[must_use]
pub fn trace_kinds() -> Vec<String> {
    KINDS.iter().map(|(name, _)| (*name).to_owned()).collect()
}
