import type { Clock } from '@purlin/base'
import type { Pipelines } from '../openflow/pipelines.ts'
import type { Database } from '../ovsdb/database.ts'
import { announcementFrames } from './frames.ts'

const ROUND_PAUSE_MS = 100

/** Who is announced, and where its frames would come in. */
export interface Announcement {
  readonly bridge: string
  /** Its port's device on the bridge. */
  readonly device: string
  readonly mac: string
  readonly addresses: readonly string[]
}

export interface AnnounceGrounds {
  readonly clock: Clock
  readonly database: Pick<Database, 'replica'>
  readonly pipelines: Pick<Pipelines, 'inject'>
  readonly signal: AbortSignal
}

/** Tells the switch, and through its uplinks the switches behind, that a MAC and its addresses are
 *  at the port now, as if the frames had come in there: after a move, before the machine itself
 *  says anything. `rounds` are sent 100 ms apart. Answers false where the port is not open. Errors:
 *  PUR_OPENFLOW_REFUSED, PUR_OVS_UNREACHABLE. */
export async function announceAddresses(
  { clock, database, pipelines, signal }: AnnounceGrounds,
  { bridge, device, mac, addresses }: Announcement,
  rounds = 1,
): Promise<boolean> {
  const { interfaces } = await database.replica(signal)
  const number = [...interfaces.values()].find(({ name }) => name === device)?.ofport
  if (number === undefined || number <= 0) return false
  const frames = announcementFrames(mac, addresses)
  for (let round = 0; round < rounds; round++) {
    if (round > 0) await clock.sleep(ROUND_PAUSE_MS, signal)
    await pipelines.inject(bridge, number, frames, signal)
  }
  return true
}
