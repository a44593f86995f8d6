import { PurlinError } from '@purlin/base'
import { MIRROR_MARK } from '../mark.ts'
import { insert, type Operation, update } from '../ovsdb/operation.ts'
import type { Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, setOf, uuid, type WireAtom } from '../ovsdb/value.ts'
import { type MirrorWanted, mirrorDifferences, strayMirrorPorts } from '../plan/mirror.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { bridgeNamed } from './make-switch.ts'
import { dropSwitchPort, ensureSwitchPort } from './switch-port.ts'

const APPLY_DEADLINE_MS = 8_000

/** Sets the mirrors of a switch; those of others stay. Reads back. Errors: PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function setMirrors(
  context: ExecuteContext,
  switchName: string,
  wanted: readonly MirrorWanted[],
): Promise<void> {
  const what = `mirror ports of switch ${switchName}`
  for (const { output, tunnel } of wanted) {
    if (tunnel !== undefined) await ensureSwitchPort(context, output, tunnel)
  }
  const replica = await context.database.replica(context.signal)
  const bridge = bridgeNamed(replica, switchName)
  if (bridge === undefined) {
    throw new PurlinError('PUR_OVS_REFUSED', { message: `${what}: there is no such bridge` })
  }
  const foreign = bridge.mirrors.filter((id) => {
    return replica.settings.Mirror.get(id)?.externalIds[MIRROR_MARK] === undefined
  })
  const kept: WireAtom[] = foreign.map(uuid)
  const made = wanted.map((_one, index) => namedUuid(`mirror${index}`))
  const operations = [
    ...wanted.map((mirror, index) => insertion(mirror, `mirror${index}`, replica)),
    update('Bridge', bridge.id, { mirrors: setOf([...kept, ...made]) }),
  ]
  await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
  // Open vSwitch 3.1 goes on to copy packets that its datapath knows when the last mirror is gone.
  await context.pipelines.refresh(switchName, context.signal)
  const before = await readBack(context, [])
  for (const port of strayMirrorPorts(switchName, wanted, before)) {
    const mark = before.switchPorts.get(port)?.externalIds[MIRROR_MARK] ?? ''
    await dropSwitchPort(context, port, { [MIRROR_MARK]: mark })
  }
  const left = mirrorDifferences(switchName, wanted, await readBack(context, []))
  if (left.length === 0) return
  throw new PurlinError('PUR_OVS_REFUSED', {
    message: `${what}: done, but read back: ${left.join(', ')}`,
  })
}

function insertion(wanted: MirrorWanted, name: string, replica: Replica): Operation {
  const idOf = (device: string): WireAtom[] => {
    const row = [...replica.ports.values()].find((port) => port.name === device)
    return row === undefined ? [] : [uuid(row.id)]
  }
  return insert('Mirror', name, {
    name: wanted.name,
    select_src_port: setOf(wanted.sources.flatMap(idOf)),
    select_dst_port: setOf(wanted.destinations.flatMap(idOf)),
    output_port: setOf(idOf(wanted.output)),
    external_ids: mapOf({ [MIRROR_MARK]: wanted.mark }),
  })
}
