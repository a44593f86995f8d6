/** Errors of security groups and their enforcement. */
export const netfilterErrors = {
  PUR_NFT_REFUSED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The kernel refused a rule set; the previous one stays in force.',
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
} as const
