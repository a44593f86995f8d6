import { z } from 'zod'

/** A command for the guest agent, as an argument array. */
export const execRequest = z
  .strictObject({
    command: z.array(z.string()).min(1),
    input: z.string().max(8_388_608).default(''),
    timeoutMs: z.number().int().min(1).max(600_000).default(60_000),
  })
  .meta({ id: 'ExecRequest' })
export type ExecRequest = z.input<typeof execRequest>

export const execAnswer = z
  .strictObject({ exitCode: z.number().int(), stdout: z.string(), stderr: z.string() })
  .meta({ id: 'ExecAnswer' })
export type ExecAnswer = z.infer<typeof execAnswer>

/** Domains of libvirt that somebody else made. */
export const foreignMachines = z
  .strictObject({
    items: z.array(
      z.strictObject({
        host: z.string(),
        name: z.string(),
        uuid: z.string(),
        powerState: z.string().meta({ example: 'running' }),
        cpus: z.number().int(),
        memoryMiB: z.number(),
      }),
    ),
  })
  .meta({ id: 'ForeignMachines' })
export type ForeignMachines = z.infer<typeof foreignMachines>
