import { readFile } from 'node:fs/promises'
import { writeWhole } from '@purlin/service'
import { z } from 'zod'

const FORMAT = 1

const held = z.strictObject({
  uuid: z.string(),
  epoch: z.number().int(),
  bootId: z.string(),
  /** A start was asked for, and it is not known yet that it came about or failed: it may still
   *  come. */
  isStarting: z.boolean(),
})
/** The lease under which this host ran a machine last, as the host itself remembers it. */
export type HeldLease = z.infer<typeof held>

const file = z.strictObject({
  format: z.literal(FORMAT),
  leases: z.array(z.tuple([z.string(), held])),
})

/** What this host remembers of its leases, by the machines' names. A file that is not there or
 *  cannot be understood holds none. */
export async function readHeld(path: string): Promise<Map<string, HeldLease>> {
  try {
    return new Map(file.parse(JSON.parse(await readFile(path, 'utf8'))).leases)
  } catch {
    return new Map()
  }
}

/** Writes it, whole, and answers when it is on disk. */
export async function writeHeld(
  path: string,
  leases: ReadonlyMap<string, HeldLease>,
): Promise<void> {
  await writeWhole(path, `${JSON.stringify({ format: FORMAT, leases: [...leases] })}\n`)
}
