/** Errors of the baseboard management controllers of chassis. */
export const bmcErrors = {
  PUR_BMC_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'No session with a BMC came about, so nothing was asked of it.',
  },
  PUR_BMC_NO_ANSWER: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'A BMC took a command and did not answer; it may have carried it out.',
  },
  PUR_BMC_TIMEOUT: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'A command to a BMC did not end within its deadline, waiting in the queue included.',
  },
  PUR_BMC_PASSWORD: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A BMC does not accept the user name or the password.',
  },
  PUR_BMC_CERTIFICATE: {
    kind: 'state',
    retry: 'after-change',
    meaning:
      'The certificate of a BMC is not the one that is pinned, or no authority vouches for it.',
  },
  PUR_BMC_REFUSED: {
    kind: 'failed',
    retry: 'after-change',
    meaning: 'A BMC answered a command with an error.',
  },
  PUR_BMC_UNSUPPORTED: {
    kind: 'state',
    retry: 'never',
    meaning: 'A BMC, or its protocol, does not know the command.',
  },
  PUR_BMC_BAD_ANSWER: {
    kind: 'failed',
    retry: 'later',
    meaning: 'The answer of a BMC is not of the form that its protocol says, or too long.',
  },
  PUR_BMC_BOOT_IGNORED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A BMC accepted a boot device and reports another afterwards.',
  },
  PUR_BMC_POWER_STUCK: {
    kind: 'state',
    retry: 'later',
    meaning: 'The power of a chassis did not reach the state that was asked for in time.',
  },
  PUR_BMC_QUEUE_FULL: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'Too many commands wait for a BMC already.',
  },
} as const
