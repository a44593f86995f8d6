import type { Clock, Run } from '@purlin/base'
import { readLinks } from '../links/link.ts'
import { bridgesCanFilter } from '../links/silence.ts'
import { bridgesOf, switchPortsOf } from '../observe.ts'
import type { VswitchObserved } from '../observed.ts'
import type { Pipelines } from '../openflow/pipelines.ts'
import type { Database } from '../ovsdb/database.ts'
import type { PlanSettings } from '../plan/plan.ts'
import type { Launch } from '../services/process.ts'

/** What the steps act through. */
export interface ExecuteContext {
  readonly run: Run
  readonly launch: Launch
  readonly clock: Clock
  readonly database: Database
  readonly pipelines: Pipelines
  readonly settings: PlanSettings
  readonly signal: AbortSignal
}

/** Reads back the switch and the named links, so that a step can be judged by the planner's own
 *  comparison. Services and flows are not in it. */
export async function readBack(
  context: ExecuteContext,
  links: readonly string[],
): Promise<VswitchObserved> {
  const [replica, found, filterable] = await Promise.all([
    context.database.replica(context.signal),
    readLinks(context.run, links, context.signal),
    bridgesCanFilter(),
  ])
  return {
    bridges: bridgesOf(replica),
    switchPorts: switchPortsOf(replica),
    links: found,
    services: new Map(),
    pipelines: new Map(),
    filterable,
    datapathType: 'netdev',
  }
}
