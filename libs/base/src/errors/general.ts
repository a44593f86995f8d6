/** Errors any part may answer with. */
export const generalErrors = {
  PUR_INTERNAL: {
    kind: 'failed',
    retry: 'never',
    meaning: 'A fault of Purlin itself; the log has the stack.',
  },
  PUR_INVALID: {
    kind: 'invalid',
    retry: 'after-change',
    meaning: 'A request or manifest does not fit the schema; each problem names its path.',
  },
  PUR_DEADLINE_PASSED: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'An operation did not end within its deadline.',
  },
  PUR_CANCELLED: { kind: 'state', retry: 'never', meaning: 'The caller gave the operation up.' },
  PUR_STATE_ILLEGAL: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The event is not possible in the present state.',
  },
  PUR_EXEC_NOT_FOUND: {
    kind: 'unavailable',
    retry: 'after-change',
    meaning: 'A program that Purlin calls is not installed.',
  },
  PUR_EXEC_FAILED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A program that Purlin calls ended with an error.',
  },
  PUR_EXEC_TIMEOUT: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'A program that Purlin calls did not end within its deadline and was killed.',
  },
} as const
