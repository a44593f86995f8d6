/** Errors of security groups and their enforcement. */
export const netfilterErrors = {
  PUR_NFT_REFUSED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The kernel refused a rule set; the previous one stays in force.',
  },
  PUR_NFT_CONCURRENT: {
    kind: 'state',
    retry: 'later',
    meaning: 'Somebody else changed the kernel’s rules between reading and writing.',
  },
  PUR_NFT_READ_BACK: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The rule set read back from the kernel is not the one that was loaded.',
  },
  PUR_NFT_UNREADABLE: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The kernel’s rule set could not be read.',
  },
  PUR_LIVE_UNAVAILABLE: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A packet cannot be sent through the kernel’s rules on this host.',
  },
  PUR_LIVE_BUSY: {
    kind: 'state',
    retry: 'later',
    meaning: 'As many packets as are allowed are being traced.',
  },
  PUR_SG_PRIORITY_GAP: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A priority beyond the end of the list would leave a gap.',
  },
  PUR_SG_RULE_MISSING: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'The security group has no such rule.',
  },
} as const
