import { adoptionOperations } from './adoption.ts'
import { cacheLockOperations } from './cache-locks.ts'
import { daemonOperations, workOperations } from './common-operations.ts'
import { consoleOperations } from './console.ts'
import { packetExplanation, packetQuestion } from './explain.ts'
import { fleetOperations } from './fleet.ts'
import { machineOperations } from './machine-operations.ts'
import { machineSnapshotOperations } from './machine-snapshots.ts'
import { networkOperations } from './network.ts'
import type { Operation } from './operation.ts'
import { poolOperations } from './pool.ts'
import { portMoveOperations } from './port-move.ts'
import { securityGroupOperations } from './security-group-operations.ts'
import { storageOperations } from './storage.ts'
import { storagePoolOperations } from './storage-pools.ts'
import { trashOperations } from './trash.ts'

/** Every call that is not list, get, put or delete of a kind, once; the agent, the client, the
 *  OpenAPI document and the command line are made of this table. */
export const operations = {
  ...workOperations,
  explainPacket: {
    method: 'POST',
    path: '/v1/explain/packet',
    summary: 'Why a packet passes or not.',
    role: 'viewer',
    status: 200,
    body: packetQuestion,
    answer: packetExplanation,
  },
  explainPacketLive: {
    method: 'POST',
    path: '/v1/explain/packet/live',
    summary: 'Why a packet passes or not, held against the kernel by a packet that nobody gets.',
    role: 'operator',
    status: 200,
    body: packetQuestion,
    answer: packetExplanation,
  },
  ...securityGroupOperations,
  ...fleetOperations,
  ...networkOperations,
  ...portMoveOperations,
  ...poolOperations,
  ...storageOperations,
  ...storagePoolOperations,
  ...cacheLockOperations,
  ...machineOperations,
  ...adoptionOperations,
  ...consoleOperations,
  ...machineSnapshotOperations,
  ...trashOperations,
  ...daemonOperations,
} as const satisfies Record<string, Operation>

export type OperationName = keyof typeof operations
