import type { Fact } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import { type Alerts, severityOf } from '../status/alerts.ts'
import type { HostState } from '../status/host-state.ts'
import type { MachineView } from '../status/host-view.ts'
import type { PassListener } from './lanes.ts'
import type { AgentMetrics } from './metrics.ts'

export interface PassGrounds {
  readonly state: HostState
  readonly alerts: Alerts
  readonly metrics: AgentMetrics
  readonly tell: (event: NewEvent) => void
  readonly facts: () => ReadonlySet<Fact>
}

/** Turns each pass of a lane into what people and programs see: status, events, alerts, figures. */
export function watchPasses(grounds: PassGrounds): PassListener {
  const { state, alerts, metrics, tell, facts } = grounds
  const drifting = new Set<string>()
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
    const outcomeOfPass = { lane, converged, desiredRevision: pass.desiredRevision }
    state.record(
      { ...outcomeOfPass, waiting: pass.waiting, ...(failure && { failed: failure }) },
      facts(),
      seen,
    )
    if (failure) {
      const { code } = failure.error
      const message = `${lane}: ${failure.summary}: ${failure.error.message}`
      alerts.raise({ code, severity: severityOf(code), subject, message })
    } else if (converged) {
      alerts.clear(subject)
    }
    if (drifted && !drifting.has(lane)) {
      drifting.add(lane)
      const message = `${lane}: the host differs from what was in force: somebody else changed it`
      tell({ type: 'drift.seen', severity: 'warning', subject, message })
    } else if (!drifted && converged && drifting.delete(lane)) {
      tell({
        type: 'drift.repaired',
        severity: 'notice',
        subject,
        message: `${lane}: as it should be again`,
      })
    }
    if (machines) for (const event of machineEvents(before, machines)) tell(event)
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
