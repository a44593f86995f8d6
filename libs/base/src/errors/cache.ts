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
} as const
