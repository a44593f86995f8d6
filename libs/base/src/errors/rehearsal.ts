/** Errors of simulated chassis and of rehearsals with them. */
export const rehearsalErrors = {
  PUR_CHASSIS_NOT_UP: {
    kind: 'unavailable',
    retry: 'after-change',
    meaning: 'A simulated chassis could not be started on this machine.',
  },
  PUR_REHEARSAL_FAILED: {
    kind: 'failed',
    retry: 'after-change',
    meaning:
      'A rehearsal of an installation did not reach its end; the step and its reason are told.',
  },
} as const
