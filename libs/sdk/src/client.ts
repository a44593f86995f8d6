import type { HostKind, PacketExplanation, PacketQuestion } from '@purlin/schema'
import { type CacheLocks, cacheLocksOf } from './cache-locks.ts'
import type { CallOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import { type ClientTarget, DEFAULT_SOCKET_PATH } from './connect/target.ts'
import { type ClientOptions, type DaemonClient, daemonOf, transportTo } from './daemon.ts'
import { type Enforcement, enforcementOf } from './enforcement.ts'
import { type Fleet, fleetOf } from './fleet.ts'
import { type Network, networkOf } from './network.ts'
import { type Pool, poolOf } from './pool.ts'
import {
  type CollectionOf,
  type Collections,
  collectionsOf,
  pick,
} from './resources/collections.ts'

/** Everything the agent of a host offers. Calls throw PurlinError and nothing else. */
export interface Client extends DaemonClient, Collections {
  /** The collection of a kind that is known only at run time. */
  resources<K extends HostKind>(kind: K): CollectionOf<K>
  readonly fleet: Fleet
  readonly cacheLocks: CacheLocks
  /** Why a packet passes or not. */
  explainPacket(question: PacketQuestion, options?: CallOptions): Promise<PacketExplanation>
  /** The same, and beside each end what the kernel did with one such packet, which nobody gets. */
  explainPacketLive(question: PacketQuestion, options?: CallOptions): Promise<PacketExplanation>
  readonly enforcement: Enforcement
  readonly network: Network
  readonly pool: Pool
}

/** Makes a client; nothing is sent until the first call. Without a target it speaks to the agent of
 *  this host through its socket. */
export function createClient(
  target: ClientTarget = { socketPath: DEFAULT_SOCKET_PATH },
  options: ClientOptions = {},
): Client {
  const transport = transportTo(target, options)
  return {
    ...daemonOf(transport),
    ...collectionsOf(transport),
    resources: (kind) => pick(transport, kind),
    fleet: fleetOf(transport),
    cacheLocks: cacheLocksOf(transport),
    explainPacket: (body, callOptions) =>
      carryOut(transport, 'explainPacket', { body, options: callOptions }),
    explainPacketLive: (body, callOptions) =>
      carryOut(transport, 'explainPacketLive', { body, options: callOptions }),
    enforcement: enforcementOf(transport),
    network: networkOf(transport),
    pool: poolOf(transport),
  }
}
