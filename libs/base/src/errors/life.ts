/** Errors of the lives of chassis: requests that are refused, and why a step failed. */
export const lifeErrors = {
  PUR_LIFE_REFUSED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'What was asked of a chassis is not possible in the state in which it is.',
  },
  PUR_LIFE_BOOT_IGNORED: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A chassis was switched on to start from the network and never asked what to boot.',
  },
  PUR_LIFE_SILENT: {
    kind: 'timeout',
    retry: 'later',
    meaning: 'A node did not tell within its deadline that it had reached the next step.',
  },
  PUR_LIFE_WRONG_MACHINE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'The machine that answered is not the one of its BMC, or not the enrolled one.',
  },
  PUR_LIFE_UNPROVEN: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A machine and its BMC have nothing in common that proves them one; nothing is wiped.',
  },
  PUR_LIFE_UNFIT: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'A template cannot be installed on a chassis as it is.',
  },
  PUR_LIFE_NODE_FAILED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A node told that a step of its work failed.',
  },
  PUR_LIFE_RESTARTED: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A node started again in the middle of work that does not survive a start.',
  },
  PUR_LIFE_POWER_LOST: {
    kind: 'failed',
    retry: 'later',
    meaning: 'A node was found switched off in the middle of its work.',
  },
} as const
