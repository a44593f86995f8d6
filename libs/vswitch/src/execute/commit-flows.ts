import type { Pipeline } from '../flows/flow.ts'
import { numberPipeline } from '../flows/number.ts'
import { portNumbersOf } from '../flows/pipelines.ts'
import { FLOWS_KEY } from '../mark.ts'
import { switchPortsOf } from '../observe.ts'
import { mutate, setKeys } from '../ovsdb/operation.ts'
import type { ExecuteContext } from './context.ts'
import { bridgeNamed } from './make-switch.ts'

/** Commits a bridge's flows in one bundle, with the numbers that its ports have now. Errors:
 *  PUR_OPENFLOW_REFUSED, PUR_OVS_UNREACHABLE. */
export async function commitFlows(context: ExecuteContext, pipeline: Pipeline): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const numbers = portNumbersOf(pipeline.bridge, { switchPorts: switchPortsOf(replica) })
  const wanted = numberPipeline(pipeline, numbers)
  const record = await context.pipelines.commit(pipeline.bridge, wanted, context.signal)
  const bridge = bridgeNamed(replica, pipeline.bridge)
  if (bridge === undefined) return
  const keep = mutate('Bridge', bridge.id, setKeys('external_ids', { [FLOWS_KEY]: record }))
  await context.database.transact(`keep the record of ${pipeline.bridge}`, [keep], context.signal)
}
