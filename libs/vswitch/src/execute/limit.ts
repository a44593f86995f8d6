import { PORT_MARK } from '../mark.ts'
import { insert, type Operation, remove, update } from '../ovsdb/operation.ts'
import type { PortRow, Replica } from '../ovsdb/replica.ts'
import {
  mapOf,
  namedUuid,
  numberedReferencesOf,
  numberedRows,
  setOf,
  type WireValue,
} from '../ovsdb/value.ts'
import type { SwitchPortWanted } from '../plan/wanted.ts'

/** What a limit takes beside the port itself. */
export interface LimitChanges {
  readonly operations: readonly Operation[]
  /** The port's column; absent: it stays. */
  readonly qos?: WireValue
}

/** Changes that limit a port as wanted. The rows of a limit are no part of their port for the
 *  database, so they are marked with the port's name, and what an earlier one left is removed.
 *  `label` names the new rows within the transaction. */
export function limitChanges(
  label: string,
  port: PortRow | undefined,
  { limit, externalIds }: SwitchPortWanted,
  replica: Replica,
): LimitChanges {
  const owner = externalIds[PORT_MARK]
  const standing = oursOf(port?.qos, replica)
  if (limit === undefined || owner === undefined) {
    return standing === undefined
      ? { operations: [] }
      : { operations: rowsRemoval(standing, replica), qos: setOf([]) }
  }
  const marks = mapOf({ [PORT_MARK]: owner })
  const rate = { 'max-rate': limit.rateBits }
  const queue = mapOf({ ...rate, 'min-rate': limit.rateBits, burst: limit.burstBits })
  const queueId = numberedReferencesOf(
    replica.settings.QoS.get(standing ?? '')?.columns.queues,
  ).get(0)
  if (standing !== undefined && queueId !== undefined) {
    return {
      operations: [
        update('QoS', standing, { type: 'linux-htb', other_config: mapOf(rate) }),
        update('Queue', queueId, { other_config: queue }),
      ],
    }
  }
  return {
    operations: [
      ...leftovers(owner, replica),
      insert('Queue', `${label}_queue`, { other_config: queue, external_ids: marks }),
      insert('QoS', `${label}_qos`, {
        type: 'linux-htb',
        other_config: mapOf(rate),
        queues: numberedRows([[0, namedUuid(`${label}_queue`)]]),
        external_ids: marks,
      }),
    ],
    qos: namedUuid(`${label}_qos`),
  }
}

/** Removes the rows of a port's limit with the port. */
export function limitRemoval(port: PortRow, replica: Replica): readonly Operation[] {
  const standing = oursOf(port.qos, replica)
  return standing === undefined
    ? []
    : [update('Port', port.id, { qos: setOf([]) }), ...rowsRemoval(standing, replica)]
}

function oursOf(qos: string | undefined, { settings }: Replica): string | undefined {
  const row = settings.QoS.get(qos ?? '')
  return row?.externalIds[PORT_MARK] === undefined ? undefined : row.id
}

function rowsRemoval(qos: string, { settings }: Replica): Operation[] {
  const queues = numberedReferencesOf(settings.QoS.get(qos)?.columns.queues)
  return [remove('QoS', qos), ...[...queues.values()].map((queue) => remove('Queue', queue))]
}

/** Rows of a port that somebody deleted by hand. */
function leftovers(owner: string, replica: Replica): Operation[] {
  const used = new Set([...replica.ports.values()].flatMap(({ qos }) => qos ?? []))
  return [...replica.settings.QoS.values()]
    .filter(({ id, externalIds }) => externalIds[PORT_MARK] === owner && !used.has(id))
    .flatMap(({ id }) => rowsRemoval(id, replica))
}
