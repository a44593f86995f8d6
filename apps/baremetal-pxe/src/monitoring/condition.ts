import type { AlertCause, Condition } from '@purlin/schema'
import type { InstanceReporting } from './monitoring.ts'

/** Beyond this a running instance counts as one that does not report: four pushes. */
export const silenceMs = 60_000

/** What the condition `Reporting` of an instance says. `runningSinceMs` is since when its system
 *  runs, undefined while it does not: then nothing is expected of it. Pure. */
export function reportingCondition(
  of: InstanceReporting,
  runningSinceMs: number | undefined,
  nowMs: number,
): Condition {
  const say = (status: Condition['status'], reason: string, message: string): Condition => ({
    type: 'Reporting',
    status,
    reason,
    message,
    sinceMs: of.sinceMs,
  })
  if (of.reporting) return say('true', 'Reporting', 'Its agent pushes metrics.')
  if (runningSinceMs === undefined) {
    return say('unknown', 'NotRunning', 'Its system does not run, so no metrics are expected.')
  }
  if (of.lastPushMs !== undefined) {
    const last = new Date(of.lastPushMs).toISOString()
    return say('false', 'Silent', `Its agent pushed metrics at ${last} and not since then.`)
  }
  if (nowMs - runningSinceMs < silenceMs) {
    return say('unknown', 'Starting', 'Its system has just started; its agent has not pushed yet.')
  }
  return say('false', 'NeverReported', 'Its system runs, and its agent has never pushed metrics.')
}

/** The alert while that condition is false; undefined otherwise. Pure. */
export function silenceAlert(instance: string, condition: Condition): AlertCause | undefined {
  if (condition.status !== 'false') return undefined
  return {
    code: 'PUR_MONITORING_SILENT',
    severity: 'warning',
    subject: { kind: 'BareMetalInstance', name: instance },
    message: `${instance}: ${condition.message} Look at the chassis' power and console, and at purlin-bm-agent.service in it.`,
  }
}
