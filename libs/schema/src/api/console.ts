import { z } from 'zod'
import type { Operation } from './operation.ts'

/** What of a log comes before what a guest writes now, at most. */
export const CONSOLE_TAIL_BYTES_MAX = 65_536

export const consoleRequest = z
  .strictObject({
    kind: z.enum(['serial', 'vnc']).meta({
      description: 'The first serial port, or the screen, which is spoken to in RFB.',
    }),
    force: z.boolean().default(false).meta({
      description: 'Of a serial port, which has one user at a time: who is at it is sent away.',
    }),
    tailBytes: z.number().int().min(0).max(CONSOLE_TAIL_BYTES_MAX).default(0).meta({
      description: 'Of a serial port: so much of what the guest wrote before comes first.',
    }),
  })
  .meta({ id: 'ConsoleRequest' })
export type ConsoleRequest = z.input<typeof consoleRequest>

/** Leave to open one console once. */
export const consoleAnswer = z
  .strictObject({
    path: z.string().meta({
      description: 'Where the WebSocket is opened, with `?token=` and the token.',
      example: '/v1/console',
    }),
    token: z.string().meta({ description: 'Good once, and for a short time.' }),
    expiresAtMs: z.number().int(),
  })
  .meta({ id: 'ConsoleAnswer' })
export type ConsoleAnswer = z.infer<typeof consoleAnswer>

/** The codes that a WebSocket of a console is closed with, beside those of RFC 6455. */
export const consoleCloseCodes = {
  'machine-off': 4000,
  'closed-by-machine': 4001,
  taken: 4002,
  silence: 4003,
  'agent-stops': 1001,
} as const
/** Why a console was ended by the other side. */
export type ConsoleCloseReason = keyof typeof consoleCloseCodes

/** The calls about machines' consoles. */
export const consoleOperations = {
  openMachineConsole: {
    method: 'POST',
    path: '/v1/virtual-machines/:name/console',
    summary: 'Leave to open the serial console or the screen of the machine once.',
    role: 'operator',
    status: 200,
    body: consoleRequest,
    answer: consoleAnswer,
  },
  attachConsole: {
    method: 'GET',
    path: '/v1/console',
    summary:
      'Open the console that a token is for, as a WebSocket of binary messages: the bytes of the serial port, or RFB. Closed with 4000 when the machine is off, 4001 when it hung up, 4002 when another took the serial port, 4003 when nothing was heard of the viewer, 1001 when the agent stops.',
    role: null,
    status: 101,
    query: z.strictObject({ token: z.string() }),
  },
} as const satisfies Record<string, Operation>
