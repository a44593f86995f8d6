/** Errors of the SSD cache and of its traces. */
export const cacheErrors = {
  PUR_CACHE_INVALID: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A field of the cache’s superblock is out of its range.',
  },
  PUR_CACHE_SUPERBLOCK_LOST: {
    kind: 'failed',
    retry: 'never',
    meaning: 'Neither copy of the cache’s superblock can be trusted.',
  },
  PUR_CACHE_VERSION: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The cache was formatted by a version this one does not read.',
  },
  PUR_CACHE_TRACE: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A trace cannot be read, or the simulation asked for is not possible.',
  },
  PUR_CACHE_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'No daemon answers on the control socket of a cache.',
  },
  PUR_CACHE_ANSWER: {
    kind: 'failed',
    retry: 'never',
    meaning: 'What answers on the control socket of a cache is no daemon of this version.',
  },
  PUR_CACHE_REFUSED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A cached device cannot be served; the sentence or the daemon’s words say why.',
  },
  PUR_CACHE_NONE: {
    kind: 'missing',
    retry: 'after-change',
    meaning: 'The pool or device has no cache, or nobody serves it here.',
  },
  PUR_CACHE_STATE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The cache is attached already, or detached already.',
  },
  PUR_CACHE_ORIGIN: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The slow device behind a cache failed.',
  },
  PUR_CACHE_LOST: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'Pages that were in the SSD alone cannot be read any more; the status lists them.',
  },
  PUR_CACHE_SSD: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'No SSD of the cache is usable.',
  },
  PUR_CACHE_STALE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'No SSD has the cache as it was last in use.',
  },
  PUR_CACHE_DAMAGED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The metadata of a cache is damaged, and pages were not written back.',
  },
  PUR_CACHE_WITNESS: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The witness of a flush test does not answer, or has heard of no writer.',
  },
  PUR_CACHE_LOCKED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A device lacks what the SSDs of a cache have, and is to be used by that cache alone.',
  },
  PUR_CACHE_UNLOCKED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'Writeback needs a lock in the state store, and no agent keeps one.',
  },
  PUR_CACHE_UNPROVEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'Writeback was asked for on an SSD that has not passed the flush test.',
  },
} as const
