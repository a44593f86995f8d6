import { PurlinError } from '@purlin/base'
import {
  MIRROR_MARK,
  PART_MARK,
  PORT_GROUP_MARK,
  PORT_MARK,
  SWITCH_MARK,
  switchOfMark,
  UPLINK_MARK,
} from '../mark.ts'
import { switchPortsOf } from '../observe.ts'
import type { ExecuteContext } from './context.ts'
import { removeBridges } from './make-switch.ts'

/** Removes a switch and its parts, when they carry nothing any more but what belongs to their
 *  making. Errors: PUR_SWITCH_IN_USE when ports of others are on it, PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function removeSwitch(context: ExecuteContext, name: string): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const names = [...replica.bridges.values()]
    .filter(({ externalIds }) => {
      return externalIds[SWITCH_MARK] === name || switchOfMark(externalIds[PART_MARK]) === name
    })
    .map((row) => row.name)
  const left = [...switchPortsOf(replica).values()]
    .filter(({ bridge }) => names.includes(bridge))
    .filter(({ externalIds }) =>
      [UPLINK_MARK, PART_MARK, MIRROR_MARK].every((mark) => !(mark in externalIds)),
    )
    .map((port) => {
      const ours = port.externalIds[PORT_MARK] ?? port.externalIds[PORT_GROUP_MARK]
      return ours === undefined ? port.name : `${port.name} (${ours})`
    })
  if (left.length > 0) {
    throw new PurlinError('PUR_SWITCH_IN_USE', {
      message: `remove switch ${name}: it still carries ${left.join(', ')}; take them out first: ovs-vsctl del-port ${name} PORT`,
      context: { ports: left },
    })
  }
  await removeBridges(context, `remove switch ${name}`, names)
}
