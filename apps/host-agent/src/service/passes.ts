import type { Clock, Fact } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import { type Alerts, severityOf } from '@purlin/service'
import { tellAdopted } from '../adopt/tell-adopted.ts'
import type { HostState } from '../status/host-state.ts'
import type { LaneName, MachineView } from '../status/host-view.ts'
import type { PassListener } from './lanes.ts'
import type { AgentMetrics } from './metrics.ts'

/** Steps of a drift that its event names. */
const SHOWN_STEPS = 3

/** After this somebody should know of what is left of a port. */
const LEFT_ALERT_MS = 60_000

export interface PassGrounds {
  readonly clock: Clock
  readonly state: HostState
  readonly alerts: Alerts
  readonly metrics: AgentMetrics
  readonly tell: (event: NewEvent) => void
  readonly facts: () => ReadonlySet<Fact>
}

/** Turns each pass of a lane into what people and programs see: status, events, alerts, figures. */
export function watchPasses(grounds: PassGrounds): PassListener {
  const { state, alerts, metrics, tell, facts, clock } = grounds
  const drifting = new Set<string>()
  const leftSinceMs = new Map<string, number>()
  /** Says of what is left of ports, once it has waited for a while. */
  const tellLeft = (lane: string): void => {
    const nowMs = clock.monotonicMs()
    const ports = state.view().lanes[lane as LaneName]?.leftovers?.ports ?? []
    for (const port of ports) {
      const key = `${lane} ${port}`
      const sinceMs = leftSinceMs.get(key) ?? nowMs
      leftSinceMs.set(key, sinceMs)
      if (nowMs - sinceMs < LEFT_ALERT_MS) continue
      const message = `${lane}: what is left of port ${port} waits until libvirt says that no machine uses it: see that libvirt answers`
      const subject = { kind: 'Port', name: port }
      alerts.raise({ code: 'PUR_PORT_LEFT', severity: 'warning', subject, message })
    }
    for (const key of [...leftSinceMs.keys()]) {
      const [owner, port = ''] = key.split(' ')
      if (owner !== lane || ports.includes(port)) continue
      leftSinceMs.delete(key)
      alerts.clear({ kind: 'Port', name: port })
    }
  }
  return (pass, seen = {}) => {
    const { machines } = seen
    const { lane, failed, converged, drifted } = pass
    const subject = { kind: 'Lane', name: lane }
    const outcome = failed ? 'failed' : converged ? 'converged' : 'waiting'
    metrics.passes.inc({ lane, outcome })
    const before = state.view().machines
    const failure = failed && {
      summary: failed.step?.summary ?? 'observe',
      error: failed.error,
    }
    const { desiredRevision, settled } = pass
    const outcomeOfPass = { lane, converged, settled, desiredRevision }
    state.record(
      { ...outcomeOfPass, waiting: pass.waiting, ...(failure && { failed: failure }) },
      facts(),
      seen,
    )
    tellLeft(lane)
    if (failure) {
      const { code } = failure.error
      const message = `${lane}: ${failure.summary}: ${failure.error.message}`
      alerts.raise({ code, severity: severityOf(code), subject, message })
    } else if (converged) {
      alerts.clear(subject)
    }
    if (drifted && !drifting.has(lane)) {
      drifting.add(lane)
      const what = driftOf(pass.executed)
      const message = `${lane}: the host differs from what was in force: somebody else changed it${what}`
      tell({ type: 'drift.seen', severity: 'warning', subject, message })
    } else if (!drifted && converged && drifting.delete(lane)) {
      tell({
        type: 'drift.repaired',
        severity: 'notice',
        subject,
        message: `${lane}: as it should be again`,
      })
    }
    if (machines) {
      for (const event of machineEvents(before, machines)) tell(event)
      tellCrashes(alerts, before, machines)
      tellAdopted(alerts, before, machines)
    }
  }
}

/** An alert for each machine that is given up, until it is wanted anew. */
function tellCrashes(
  alerts: Alerts,
  before: ReadonlyMap<string, MachineView>,
  after: ReadonlyMap<string, MachineView>,
): void {
  for (const [name, { rest }] of after) {
    const subject = { kind: 'VirtualMachine', name }
    if (rest === 'gave-up') {
      const message = `machine ${name} went off by itself too often within ten minutes and is not started any more; look at its console, then start it`
      alerts.raise({ code: 'PUR_VIRT_CRASHES', severity: 'critical', subject, message })
    } else if (before.get(name)?.rest === 'gave-up') alerts.clear(subject)
  }
  for (const [name, { rest }] of before) {
    const gone = rest === 'gave-up' && !after.has(name)
    if (gone) alerts.clear({ kind: 'VirtualMachine', name })
  }
}

function machineEvents(
  before: ReadonlyMap<string, MachineView>,
  after: ReadonlyMap<string, MachineView>,
): NewEvent[] {
  return [...after].flatMap(([name, { state }]) => {
    const was = before.get(name)?.state
    if (was === state) return []
    const message = `machine ${name} is ${state}${was === undefined ? '' : `, was ${was}`}`
    return [
      {
        type: `machine.${state}`,
        severity: 'notice' as const,
        subject: { kind: 'VirtualMachine', name },
        message,
      },
    ]
  })
}

/** What was done about it, which says what had been changed: the first steps, in words. Pure. */
function driftOf(executed: readonly { readonly summary: string }[]): string {
  const first = executed.slice(0, SHOWN_STEPS).map(({ summary }) => summary)
  const others = executed.length - first.length
  if (first.length === 0) return ''
  return `; ${first.join('; ')}${others === 0 ? '' : `; and ${others} more steps`}`
}
