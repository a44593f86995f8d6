//! Modes change and the cache is detached, while requests go on.

use super::commit::{commit, write_state};
use super::core::Core;
use super::{CacheError, Lock, Mode, Phase};

/// Who changes the mode; beyond every page.
const SWITCH_RANGE: std::ops::Range<u64> = u64::MAX - 2..u64::MAX - 1;

/// Changes the mode; answers when the change is durable, with all dirty pages on the origin where
/// the new mode has none.
pub async fn set_mode(core: &Core, mode: Mode) -> Result<(), CacheError> {
    let id = core.bell.until(|| core.get().ranges.try_take(SWITCH_RANGE)).await;
    let result = change(core, mode).await;
    core.get().ranges.release(id);
    core.bell.ring();
    result
}

async fn change(core: &Core, mode: Mode) -> Result<(), CacheError> {
    if mode == Mode::Writeback {
        if core.get().alive.is_empty() || !core.get().lost.is_empty() {
            return Err(CacheError::SsdLost);
        }
        // Who opens the origin later has to know that it needs its cache.
        let lock = Lock { dirty: true, ..core.get().lock };
        core.store_lock(lock).await;
        write_state(core, |state| state.mode = mode).await;
        if core.get().alive.is_empty() {
            let dirty = !core.get().dirty.is_empty();
            let lock = Lock { dirty, ..core.get().lock };
            core.store_lock(lock).await;
            return Err(CacheError::SsdLost);
        }
        let mut inner = core.get();
        inner.draining = false;
        inner.mode = mode;
        return Ok(());
    }
    core.get().draining = true;
    core.get().mode = mode;
    core.bell.ring();
    if !super::mutation!(SwitchBeforeDrain) {
        drain(core).await;
    }
    if !core.get().alive.is_empty() {
        write_state(core, |state| state.mode = mode).await;
    }
    if !core.get().lost.is_empty() {
        return Err(CacheError::Lost);
    }
    let lock = Lock { dirty: false, ..core.get().lock };
    core.store_lock(lock).await;
    Ok(())
}

async fn drain(core: &Core) {
    loop {
        let finished = || {
            let inner = core.get();
            (inner.dirty.len() <= inner.lost.len()).then_some(())
        };
        core.bell.until(finished).await;
        if core.get().is_drained() {
            return;
        }
        let ticks = core.get().ticks;
        let _failed_is_tried_again = commit(core, true).await;
        core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
    }
}

/// Lets go of the SSDs. Of a clean cache nothing has to be written but the lock: by its epoch they
/// are stale from then on.
pub async fn detach(core: &Core) -> Result<(), CacheError> {
    set_mode(core, Mode::PassThrough).await?;
    let epoch = core.get().state.epoch + 1;
    core.get().state.epoch = epoch;
    core.store_lock(Lock { epoch, dirty: false }).await;
    let mut inner = core.get();
    inner.alive.clear();
    inner.retired_at = 0;
    inner.forget_clean();
    inner.phase = Phase::Detached;
    Ok(())
}
