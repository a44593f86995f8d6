import type { FlowExport } from '@purlin/schema'
import type { SwitchDesired } from '../desired.ts'
import { SWITCH_MARK } from '../mark.ts'
import { insert, type Operation, update } from '../ovsdb/operation.ts'
import type { BridgeRow, Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, setOf, type WireValue } from '../ovsdb/value.ts'
import type { ExecuteContext } from './context.ts'

const APPLY_DEADLINE_MS = 8_000

/** Has Open vSwitch tell of the switch's traffic as wanted; an export that another set up stays,
 *  unless ours takes its place. Errors: PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function exportFlows(
  context: ExecuteContext,
  { name, flowExport }: SwitchDesired,
): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const bridge = [...replica.bridges.values()].find((row) => row.name === name)
  if (bridge === undefined) return
  const operations = exportChanges(bridge, replica, flowExport)
  if (operations.length === 0) return
  const what = `export flows of switch ${name}`
  await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
}

function exportChanges(
  bridge: BridgeRow,
  { settings }: Replica,
  wanted: FlowExport | undefined,
): readonly Operation[] {
  const columns = {
    sflow: settings.sFlow.get(bridge.sflow ?? ''),
    ipfix: settings.IPFIX.get(bridge.ipfix ?? ''),
  }
  const operations: Operation[] = []
  for (const protocol of ['sflow', 'ipfix'] as const) {
    const ours = columns[protocol]?.externalIds[SWITCH_MARK] === bridge.name
    if (wanted?.protocol === protocol) {
      const table = protocol === 'sflow' ? 'sFlow' : 'IPFIX'
      operations.push(
        insert(table, 'export', exportRow(wanted, bridge.name)),
        update('Bridge', bridge.id, { [protocol]: namedUuid('export') }),
      )
    } else if (ours) {
      operations.push(update('Bridge', bridge.id, { [protocol]: setOf([]) }))
    }
  }
  return operations
}

function exportRow(wanted: FlowExport, name: string): Readonly<Record<string, WireValue>> {
  const seconds = wanted.protocol === 'sflow' ? 'polling' : 'cache_active_timeout'
  return {
    targets: setOf(wanted.collectors),
    sampling: wanted.sampling,
    [seconds]: wanted.counterSeconds,
    external_ids: mapOf({ [SWITCH_MARK]: name }),
  }
}
