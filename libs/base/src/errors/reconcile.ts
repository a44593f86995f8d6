/** Errors of the reconcile loop. */
export const reconcileErrors = {
  PUR_LANE_STUCK: {
    kind: 'unavailable',
    retry: 'later',
    meaning:
      'An earlier call of the lane passed its deadline and still runs; no second one is made.',
  },
  PUR_LANE_UNSETTLED: {
    kind: 'failed',
    retry: 'later',
    meaning:
      'The steps succeeded, yet what is observed after them still differs from what is desired.',
  },
  PUR_LANE_BUSY: {
    kind: 'capacity',
    retry: 'later',
    meaning: 'Too many callers wait for a plan of the lane.',
  },
} as const
