import type { Clock } from '@purlin/base'
import type { NetfilterSocket } from '../netlink/index.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { connectionsToEnd } from './connections-to-end.ts'
import { reopened } from './reopened.ts'

const ANSWER_WAITS_MS = [20, 80]

type Tracking = Pick<NetfilterSocket, 'listConnections' | 'deleteConnections'>

/** Ends the connections of some NICs that a policy refuses, with what other NICs of this host hold
 *  of them, and no other; answers how many entries that were. The rule that a TCP flow begins with
 *  SYN keeps them from coming back, and the next packet of other protocols is a new flow.
 *  Errors: those of the socket. */
export async function endConnections(
  tracking: Tracking,
  before: NetfilterDesired | undefined,
  after: NetfilterDesired,
  ports: ReadonlySet<string>,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  const filtered = after.nics.filter((nic) => nic.filtered && ports.has(nic.port))
  if (filtered.length === 0) return 0
  const zones = new Set(filtered.map((nic) => nic.zone))
  const own = await tracking.listConnections({ zones }, { signal })
  if (connectionsToEnd(before, after, own).length === 0) return 0
  const every = new Set(after.nics.map((nic) => nic.zone))
  const all = await tracking.listConnections({ zones: every }, { signal })
  const ended = connectionsToEnd(before, after, all)
  let count = await tracking.deleteConnections(ended, { signal })
  if (ended.every(({ original }) => original.protocol === protocolNumbers.tcp)) return count
  // What was on its way to a machine is answered within these; what comes after is refused.
  for (const waitMs of ANSWER_WAITS_MS) {
    await clock.sleep(waitMs, signal)
    const back = reopened(ended, await tracking.listConnections({ zones: every }, { signal }))
    count += await tracking.deleteConnections(back, { signal })
  }
  return count
}
