/** Errors of watching what was installed on chassis. */
export const monitoringErrors = {
  PUR_MONITORING_UNKNOWN: {
    kind: 'missing',
    retry: 'after-change',
    meaning: 'An instance by that name was not installed with monitoring.',
  },
  PUR_MONITORING_PACKAGE: {
    kind: 'state',
    retry: 'after-change',
    meaning: 'There is no package of the monitoring agent that instances could install.',
  },
  PUR_MONITORING_SILENT: {
    kind: 'unavailable',
    retry: 'later',
    meaning: 'The agent of a running instance has pushed no metrics for a minute.',
  },
} as const
