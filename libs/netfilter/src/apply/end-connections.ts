import type { NetfilterSocket } from '../netlink/index.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { connectionsToEnd } from './connections-to-end.ts'

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
  signal: AbortSignal,
): Promise<number> {
  const filtered = after.nics.filter((nic) => nic.filtered && ports.has(nic.port))
  if (filtered.length === 0) return 0
  const zones = new Set(filtered.map((nic) => nic.zone))
  const own = await tracking.listConnections({ zones }, { signal })
  if (connectionsToEnd(before, after, own).length === 0) return 0
  const every = new Set(after.nics.map((nic) => nic.zone))
  const all = await tracking.listConnections({ zones: every }, { signal })
  return await tracking.deleteConnections(connectionsToEnd(before, after, all), { signal })
}
