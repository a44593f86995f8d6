import type { BootNotice } from '@purlin/boot-service'
import { type NewEvent, type Task, taskEnded } from '@purlin/schema'
import type { Alerts, ResourceChange } from '@purlin/service'
import type { NetworkStanding } from './boot-network.ts'
import type { DaemonMetrics } from './metrics.ts'

const FOREIGN = 'PUR_BOOT_FOREIGN_SERVER'

/** A change of a resource, as an event. Pure. */
export function resourceEvent({ action, kind, name }: ResourceChange): NewEvent {
  const message = `${kind} ${name}: ${action}d`
  return { type: `resource.${action}d`, severity: 'notice', subject: { kind, name }, message }
}

/** The end of a task, as an event. Pure. */
export function taskEvent(task: Task): NewEvent {
  const what = `${task.verb} ${task.targets.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`
  const failed = task.state === 'failed'
  return {
    type: `task.${task.state}`,
    severity: failed ? 'warning' : 'notice',
    subject: { kind: 'Task', name: task.id },
    message: `${what}: ${failed ? task.problem?.detail : taskEnded(task) ? task.state : 'running'}`,
  }
}

/** Tells what a boot service noticed: an event, a figure, and an alert for what lasts. */
export function tellNotice({
  network,
  notice,
  alerts,
  tell,
  metrics,
}: {
  readonly network: string
  readonly notice: BootNotice
  readonly alerts: Alerts
  readonly tell: (event: NewEvent) => void
  readonly metrics: Pick<DaemonMetrics, 'notices'>
}): void {
  const subject = { kind: 'DeploymentNetwork', name: network }
  const { what, level, message, mac, address } = notice
  metrics.notices.inc({ network, what })
  tell({
    type: `boot.${what}`,
    severity: level === 'note' ? 'notice' : level === 'warning' ? 'warning' : 'critical',
    ...{ subject, message },
    context: { ...(mac !== undefined && { mac }), ...(address !== undefined && { address }) },
  })
  if (what === 'foreign-server') {
    alerts.raise({ code: FOREIGN, severity: 'critical', subject, message })
  }
  if (what === 'foreign-server-gone') alerts.clear(subject, FOREIGN)
  if (what === 'dhcp-failed') {
    alerts.raise({ code: 'PUR_BOOT_DHCP', severity: 'critical', subject, message })
  }
  if (what === 'dhcp-serves') alerts.clear(subject, 'PUR_BOOT_DHCP')
}

/** Raises an alert for a network that cannot be served, and clears it when it is. That another
 *  server answers on it is told once, so its alert stays for as long as that is so. */
export function tellNetwork({
  network,
  standing,
  alerts,
}: {
  readonly network: string
  readonly standing: NetworkStanding
  readonly alerts: Alerts
}): void {
  const subject = { kind: 'DeploymentNetwork', name: network }
  const { error } = standing
  if (error === undefined) {
    if (standing.state !== 'serving' && standing.state !== 'closed') return
    for (const { code, subject: of } of alerts.list()) {
      if (of.kind !== subject.kind || of.name !== network) continue
      const stays = code === FOREIGN && standing.foreignServers === true
      if (!stays) alerts.clear(subject, code)
    }
    return
  }
  alerts.raise({ code: error.code, severity: 'critical', subject, message: error.message })
}
