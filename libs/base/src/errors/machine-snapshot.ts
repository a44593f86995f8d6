/** Errors of machines' snapshots, and of deleted machines that come back. */
export const machineSnapshotErrors = {
  PUR_SNAPSHOT_CUT_OFF: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A snapshot of a machine was cut off before it was whole; nothing is left of it.',
  },
  PUR_SNAPSHOT_MOVED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The machine did not stand still while its disks were taken; nothing is left of it.',
  },
  PUR_SNAPSHOT_STATE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'What was asked for is not possible with the machine’s snapshot as it is now.',
  },
  PUR_SNAPSHOT_DIFFERS: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The machine is not any more what it was when the snapshot was taken.',
  },
  PUR_TRASH_DIFFERS: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'What a deleted machine needs to come back is gone or has become another’s.',
  },
} as const
