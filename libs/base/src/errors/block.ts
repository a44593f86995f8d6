/** Errors of the block engine: pools, their disks, where stripes lie. */
export const blockErrors = {
  PUR_BLOCK_TOPOLOGY: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A topology breaks a limit, names something twice, or lacks a server.',
  },
  PUR_BLOCK_PLACEMENT: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The disks of a pool cannot hold the stripes of its redundancy policy.',
  },
  PUR_BLOCK_PLACEMENT_TABLE: {
    kind: 'failed',
    retry: 'never',
    meaning: 'A placement table is damaged, or a newer program wrote it.',
  },
  PUR_BLOCK_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'No block daemon answers on its control socket.',
  },
  PUR_BLOCK_ANSWER: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The block daemon answered what is none of its protocol.',
  },
  PUR_BLOCK_CONTROL_VERSION: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The block daemon speaks another version of its control protocol.',
  },
  PUR_BLOCK_REFUSED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The block daemon refused a call for a reason this program does not know.',
  },
  PUR_BLOCK_NAME_TAKEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A volume or snapshot of that name is there already.',
  },
  PUR_BLOCK_NO_VOLUME: {
    kind: 'missing',
    retry: 'later',
    meaning: 'There is no such volume or snapshot in any pool that serves.',
  },
  PUR_BLOCK_NO_DISK: {
    kind: 'missing',
    retry: 'after-change',
    meaning: 'There is no such disk in the pool.',
  },
  PUR_BLOCK_HAS_DEPENDENTS: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'Volumes or snapshots depend on what should be deleted.',
  },
  PUR_BLOCK_IN_USE: {
    kind: 'state',
    retry: 'later',
    meaning: 'Clients use the volume.',
  },
  PUR_BLOCK_MAP: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A volume could not be made a block device of the host, or that taken away.',
  },
  PUR_BLOCK_OVERCOMMIT: {
    kind: 'capacity',
    retry: 'after-change',
    meaning: 'The volumes of a pool would promise more than the pool is allowed to.',
  },
  PUR_BLOCK_FILLING: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'The disks of a pool are filled beyond one of its levels.',
  },
  PUR_BLOCK_SCRUB_OVERDUE: {
    kind: 'state',
    retry: 'later',
    meaning: 'No deep scrub of a pool has finished for too long.',
  },
  PUR_BLOCK_NO_SPACE: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'The pool has no room for another stripe.',
  },
  PUR_BLOCK_TOO_FEW_DISKS: {
    kind: 'state',
    retry: 'later',
    meaning: 'Too few fault domains are left to write.',
  },
  PUR_BLOCK_DISKS_MISSING: {
    kind: 'state',
    retry: 'later',
    meaning: 'Disks are away that may alone hold answered writes.',
  },
  PUR_BLOCK_DISK: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A disk of a pool cannot be opened.',
  },
  PUR_BLOCK_FOREIGN_DISK: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A disk holds something else, or is of another pool.',
  },
  PUR_BLOCK_NO_SUPERBLOCK: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'No disk of the pool has a valid superblock.',
  },
  PUR_BLOCK_NEWER_FORMAT: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A newer program has written the pool.',
  },
  PUR_BLOCK_DAMAGED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The map or the log of a pool cannot be read on any disk.',
  },
  PUR_BLOCK_LOST: {
    kind: 'failed',
    retry: 'later',
    meaning: 'More shards of a stripe are gone or bad than it survives.',
  },
  PUR_BLOCK_BAD_POLICY: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The redundancy of a pool is out of range.',
  },
  PUR_BLOCK_INVALID: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A call to the block engine makes no sense as it is.',
  },
  PUR_BLOCK_CLOSED: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The pool takes no requests: it starts, has failed, or is closed.',
  },
  PUR_BLOCK_UPGRADE: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A new process of the block daemon could not take over; the old one serves.',
  },
  PUR_BLOCK_SOCKET: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The block daemon could not open the socket of a volume.',
  },
} as const
