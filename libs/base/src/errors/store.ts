/** Errors of the desired-state store. */
export const storeErrors = {
  PUR_STORE_CONFLICT: {
    kind: 'revision',
    retry: 'after-change',
    meaning: 'The thing was changed by somebody else since it was read.',
  },
  PUR_STORE_COMPACTED: {
    kind: 'revision',
    retry: 'after-change',
    meaning: 'The revision to resume from is older than what the store still keeps.',
  },
  PUR_STORE_FULL: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'The disk of the state folder is full; nothing was changed.',
  },
  PUR_STORE_LEASE_GONE: { kind: 'missing', retry: 'never', meaning: 'The lease has ended.' },
  PUR_STORE_UNREADABLE: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The state file cannot be read or is not one of ours.',
  },
  PUR_STORE_NEWER: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The state file was written by a newer Purlin; a downgrade is refused.',
  },
  PUR_STORE_FAILED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A read or write of the state file failed; nothing was changed.',
  },
  PUR_STORE_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'No majority of the fleet’s store answers; hosts enforce what they last knew.',
  },
  PUR_STORE_TOO_LARGE: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'The change is larger than the store takes at once; nothing was changed.',
  },
  PUR_STORE_OCCUPIED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The place in the store that should be empty holds something already.',
  },
  PUR_STORE_OVERLOADED: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'More events wait to be written than the queue holds.',
  },
} as const
