import type { Alerts, Catalogue } from '@purlin/service'
import { type Monitoring, reportingCondition, silenceAlert } from '../monitoring/index.ts'
import type { DaemonView } from '../status/daemon-view.ts'
import { runningSinceMs } from '../status/resource-status.ts'

/** Raises an alert for each running instance whose agent is not heard of, and clears the others. */
export function tellSilence({
  monitoring,
  catalogue,
  view,
  alerts,
  nowMs,
}: {
  readonly monitoring: Pick<Monitoring, 'reporting'>
  readonly catalogue: Catalogue
  readonly view: DaemonView
  readonly alerts: Alerts
  readonly nowMs: number
}): void {
  for (const of of monitoring.reporting()) {
    const record = catalogue.get('BareMetalInstance', of.instance)
    const life = view.lifeOf(of.chassis)
    const own = record !== undefined && life?.deployment?.uid === record.uid
    const since = own ? runningSinceMs(life) : undefined
    const cause = silenceAlert(of.instance, reportingCondition(of, since, nowMs))
    const subject = { kind: 'BareMetalInstance', name: of.instance }
    if (cause === undefined) alerts.clear(subject, 'PUR_MONITORING_SILENT')
    else alerts.raise(cause)
  }
}
