//! Modes change and the cache is detached, while requests go on.

use purlin_block_core::disk::IoClass;

use super::commit::{STATE_RANGE, commit, flush_origin, write_state};
use super::core::Core;
use super::metadata::Entry;
use super::{CacheError, Mode, Phase};

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
        core.store_lock(0, Some(true)).await;
        write_state(core, |state| state.mode = mode).await;
        if core.get().alive.is_empty() {
            let dirty = core.get().lacks();
            core.store_lock(0, Some(dirty)).await;
            return Err(CacheError::SsdLost);
        }
        let mut inner = core.get();
        inner.draining = false;
        inner.mode = mode;
        return Ok(());
    }
    leave_writeback(core, mode).await;
    if !core.get().alive.is_empty() {
        write_state(core, |state| state.mode = mode).await;
    }
    if !core.get().lost.is_empty() {
        return Err(CacheError::Lost);
    }
    core.store_lock(0, Some(false)).await;
    Ok(())
}

async fn leave_writeback(core: &Core, mode: Mode) {
    core.get().draining = true;
    core.get().mode = mode;
    core.bell.ring();
    if !super::mutation!(SwitchBeforeDrain) {
        drain(core).await;
    }
}

async fn drain(core: &Core) {
    loop {
        let finished = || {
            let inner = core.get();
            inner.dirty.is_empty().then_some(())
        };
        core.bell.until(finished).await;
        if core.get().is_drained() {
            return;
        }
        let ticks = core.get().ticks;
        let _failed_is_tried_again = flush_origin(core, IoClass::Destage).await;
        let _failed_is_tried_again = commit(core, false).await;
        core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
    }
}

/// Gives up what is lost; what the origin has counts.
pub async fn accept_loss(core: &Core) -> Result<(), CacheError> {
    {
        let mut inner = core.get();
        for page in inner.lost.clone() {
            if let Some((slot, entry)) = inner.find(page) {
                inner.change(slot, Entry { page: entry.page, ..Entry::default() });
            }
            inner.find_again(page);
        }
    }
    flush_origin(core, IoClass::Client).await?;
    commit(core, true).await
}

/// Lets go of the SSDs. Of a clean cache nothing has to be written but the lock: by its epoch they
/// are stale from then on.
pub async fn detach(core: &Core) -> Result<(), CacheError> {
    let id = core.bell.until(|| core.get().ranges.try_take(SWITCH_RANGE)).await;
    let result = let_go(core).await;
    core.get().ranges.release(id);
    core.bell.ring();
    result
}

async fn let_go(core: &Core) -> Result<(), CacheError> {
    leave_writeback(core, Mode::PassThrough).await;
    if !core.get().lost.is_empty() {
        return Err(CacheError::Lost);
    }
    // Nobody writes the new epoch to an SSD meanwhile: it would be as good as the lock's.
    let id = core.bell.until(|| core.get().ranges.try_take(STATE_RANGE)).await;
    let epoch = core.get().state.epoch + 1;
    core.store_lock(epoch, Some(false)).await;
    let mut inner = core.get();
    inner.ranges.release(id);
    inner.state.epoch = epoch;
    inner.alive.clear();
    inner.retired_at = 0;
    inner.forget_clean();
    inner.phase = Phase::Detached;
    Ok(())
}
