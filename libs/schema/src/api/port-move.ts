import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { portMove } from '../resources/port.ts'
import type { Operation } from './operation.ts'

export const portMoveRequest = z
  .strictObject({
    host: resourceName.meta({ description: 'The host that the port goes to.' }),
    waitSeconds: z.number().int().min(1).max(86_400).default(600).meta({
      description: 'How long the machine may take to leave its host; then the move is given up.',
    }),
    force: z.boolean().default(false).meta({
      description: 'Move it although its network does not reach the host, or was not probed.',
    }),
  })
  .meta({ id: 'PortMoveRequest' })
export type PortMoveRequest = z.input<typeof portMoveRequest>

/** Ports of one machine, which move together; without `move` there is none under way. */
export const portMoveAnswer = z
  .strictObject({
    virtualMachine: resourceName,
    ports: z.array(z.string()),
    move: portMove.optional(),
    warnings: z
      .array(z.string())
      .optional()
      .meta({ description: 'What of the machine’s traffic does not simply go on, in sentences.' }),
  })
  .meta({ id: 'PortMoveAnswer' })
export type PortMoveAnswer = z.infer<typeof portMoveAnswer>

const fabricPath = z
  .strictObject({
    vlan: z.number().int().min(0).max(4094).meta({ description: '0: untagged frames.' }),
    from: resourceName,
    uplink: z.string(),
    to: resourceName,
    state: z.enum(['reachable', 'mtu-too-small', 'dropped']),
    by: z.array(z.string()).meta({ description: 'Uplinks of the other host.' }),
  })
  .meta({ id: 'FabricPath' })
export type FabricPath = z.infer<typeof fabricPath>

/** What became of frames between the hosts of a switch. */
export const fabricMatrix = z
  .strictObject({
    switch: resourceName,
    mtu: z.number().int(),
    paths: z.array(fabricPath),
    absent: z
      .array(z.strictObject({ host: z.string(), reason: z.string() }))
      .meta({ description: 'Hosts that took no part.' }),
  })
  .meta({ id: 'FabricMatrix' })
export type FabricMatrix = z.infer<typeof fabricMatrix>

/** Calls about ports that move between hosts, and about what is between the hosts. */
export const portMoveOperations = {
  movePort: {
    method: 'POST',
    path: '/v1/network/ports/:name/move',
    summary: 'Begin to move a port, with its machine’s others, to another host.',
    role: 'operator',
    status: 200,
    body: portMoveRequest,
    answer: portMoveAnswer,
  },
  cancelPortMove: {
    method: 'POST',
    path: '/v1/network/ports/:name/move/cancel',
    summary: 'Give up a move whose machine has not left its host.',
    role: 'operator',
    status: 200,
    answer: portMoveAnswer,
  },
  probeSwitch: {
    method: 'POST',
    path: '/v1/network/switches/:name/probe',
    summary: 'Send frames of each network by each uplink between the hosts of a switch.',
    role: 'operator',
    status: 200,
    answer: fabricMatrix,
  },
} as const satisfies Record<string, Operation>
