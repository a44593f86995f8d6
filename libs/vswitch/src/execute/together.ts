import type { PurlinError } from '@purlin/base'
import type { VswitchStep } from '../plan/step.ts'
import type { ExecuteContext } from './context.ts'
import { inHalves } from './halves.ts'
import { plug, unplug } from './plug.ts'

/** Ports made or removed as one. Removing one takes 27 ms at the least, waits of the kernel, so a
 *  group stays well below the deadlines of its calls, and newer wishes do not wait for long. */
const PORTS_TOGETHER = 64

/** How many steps, from the first, can be executed as one: ports that are made, or that go.
 *  Pure. */
export function together(steps: readonly VswitchStep[]): number {
  const [first] = steps
  if (first?.kind !== 'plug' && first?.kind !== 'unplug') return 1
  const end = steps.findIndex(({ kind }) => kind !== first.kind)
  return Math.min(end === -1 ? steps.length : end, PORTS_TOGETHER)
}

/** Executes steps that `together` counted as one: a transaction of the database, a batch of links
 *  and a reading back for all. Where that fails, halves are tried, so that a port that cannot be
 *  made fails alone. Answers the steps that failed. */
export async function executeTogether(
  context: ExecuteContext,
  steps: readonly VswitchStep[],
  executeStep: (context: ExecuteContext, step: VswitchStep) => Promise<void>,
): Promise<ReadonlyMap<VswitchStep, PurlinError>> {
  return await inHalves(steps, async (some) => {
    const plugs = some.flatMap((step) => (step.kind === 'plug' ? [step.port] : []))
    const exits = some.flatMap((step) => (step.kind === 'unplug' ? [step] : []))
    if (plugs.length === some.length) await plug(context, plugs)
    else if (exits.length === some.length) await unplug(context, exits)
    else for (const step of some) await executeStep(context, step)
  })
}
