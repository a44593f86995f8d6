/** Errors of the native libraries. */
export const nativeErrors = {
  PUR_NATIVE_MISSING: {
    kind: 'unavailable',
    retry: 'after-change',
    meaning: 'The native part of a package is not built for this machine.',
  },
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
} as const
