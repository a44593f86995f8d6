import { PurlinError } from '@purlin/base'
import { SWITCH_MARK, UPLINKS_KEY } from '../mark.ts'
import type { Database } from '../ovsdb/database.ts'
import { mutate, setKeys } from '../ovsdb/operation.ts'
import { confirmTrial, readRecord, type TrialGrounds, type UplinkRecord } from './trial.ts'

/** Keeps the record beside the switch, in the database that also keeps its uplinks: what was tried
 *  when the host lost its power is known when it has it again. Errors: PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function keepRecord(
  database: Database,
  name: string,
  record: UplinkRecord,
  signal?: AbortSignal,
): Promise<void> {
  const what = `keep the record of the uplinks of switch ${name}`
  const replica = await database.replica(signal)
  const bridge = [...replica.bridges.values()].find((row) => row.name === name)
  if (bridge === undefined || bridge.externalIds[SWITCH_MARK] !== name) {
    throw new PurlinError('PUR_OVS_REFUSED', { message: `${what}: there is no such switch here` })
  }
  const entry = { [UPLINKS_KEY]: JSON.stringify(record) }
  const keep = mutate('Bridge', bridge.id, setKeys('external_ids', entry))
  await database.transact(what, [keep], signal)
}

/** Confirms the change of uplinks that is tried on a switch; answers whether one was. Errors:
 *  PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function confirmUplinks(
  database: Database,
  name: string,
  grounds: TrialGrounds,
  signal?: AbortSignal,
): Promise<boolean> {
  const replica = await database.replica(signal)
  const bridge = [...replica.bridges.values()].find((row) => row.name === name)
  const confirmed = confirmTrial(readRecord(bridge?.externalIds[UPLINKS_KEY]), grounds)
  if (confirmed === undefined) return false
  await keepRecord(database, name, confirmed, signal)
  return true
}
