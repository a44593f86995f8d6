/** Errors of erasure coding. */
export const ecErrors = {
  PUR_EC_INVALID: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The shards, their buffers or the code’s shape cannot be used.',
  },
  PUR_EC_NOT_MDS: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The technique does not promise to bring back every loss at this shape.',
  },
  PUR_EC_OVERLAP: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A buffer to be written overlaps another buffer of the same call.',
  },
  PUR_EC_TOO_FEW_SHARDS: {
    kind: 'failed',
    retry: 'never',
    meaning: 'More shards are lost than the code can bring back.',
  },
  PUR_EC_KERNEL: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'PURLIN_EC_KERNEL names a kernel that does not exist or that this processor lacks.',
  },
  PUR_EC_MEMORY: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'Memory for stripes could not be had.',
  },
  PUR_EC_STREAM: {
    kind: 'failed',
    retry: 'never',
    meaning: 'A stream of shard frames ends too early or its frames do not belong together.',
  },
  PUR_EC_SHARD_FILE: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'Shard files cannot be read, written, or do not belong together.',
  },
} as const
