/** Errors of secrets that a daemon keeps. */
export const secretErrors = {
  PUR_SECRET_KEY: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'The key of the kept secrets is missing, open to others, or another one.',
  },
  PUR_SECRET_MISSING: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A file that a resource names has never come with a manifest.',
  },
} as const
