import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { writeWhole } from '@purlin/service'
import type { Identity } from '@purlin/store'
import { z } from 'zod'
import type { EtcdConfiguration } from '../config/config.ts'

const note = z.object({
  fleet: z.string(),
  host: z.string(),
  listen: z.string().optional(),
  store: z
    .object({
      endpoints: z.array(z.string()),
      prefix: z.string(),
      keptRevisions: z.number(),
      ca: z.string(),
      certificate: z.string(),
      key: z.string(),
    })
    .optional(),
})

/** What a host has of the fleet that it is in: its certificate, whom it believes, where the store
 *  is, and, on the host that made the fleet, the authority that lets others in. */
export interface FleetMembership extends Identity {
  readonly fleet: string
  readonly host: string
  readonly ca: string
  readonly listen?: string | undefined
  readonly store?: EtcdConfiguration | undefined
  /** The authority's private key. */
  readonly authorityKey?: string | undefined
}

/** Where the parts lie; all are 0600 in a folder of 0700. */
export function membershipFiles(stateFolder: string) {
  const file = (name: string): string => join(stateFolder, 'fleet', name)
  return {
    folder: join(stateFolder, 'fleet'),
    note: file('fleet.json'),
    ca: file('ca.pem'),
    authorityKey: file('ca.key'),
    certificate: file('host.pem'),
    key: file('host.key'),
  }
}

/** What the host has of a fleet; undefined where it is in none. Errors: PUR_CONFIG_INVALID for
 *  files that are there and cannot be used. */
export async function readMembership(stateFolder: string): Promise<FleetMembership | undefined> {
  const files = membershipFiles(stateFolder)
  const text = await readOptional(files.note)
  if (text === undefined) return undefined
  try {
    const { store, ...rest } = note.parse(JSON.parse(text))
    const authorityKey = await readOptional(files.authorityKey)
    return {
      ...rest,
      ca: await readFile(files.ca, 'utf8'),
      certificate: await readFile(files.certificate, 'utf8'),
      key: await readFile(files.key, 'utf8'),
      ...(store && { store: { engine: 'etcd', ...store } }),
      ...(authorityKey !== undefined && { authorityKey }),
    }
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause)
    const message = `${files.folder}: what the host has of its fleet cannot be read: ${found}; join it again, or bring the folder back`
    throw new PurlinError('PUR_CONFIG_INVALID', { message, cause })
  }
}

/** Writes what the host has of a fleet. The note comes last: without it nothing counts. */
export async function writeMembership(
  stateFolder: string,
  membership: FleetMembership,
): Promise<void> {
  const files = membershipFiles(stateFolder)
  await mkdir(files.folder, { recursive: true, mode: 0o700 })
  const { fleet, host, listen, store, ca, certificate, key, authorityKey } = membership
  await writeWhole(files.ca, ca)
  await writeWhole(files.certificate, certificate)
  await writeWhole(files.key, key)
  if (authorityKey !== undefined) await writeWhole(files.authorityKey, authorityKey)
  const text = JSON.stringify({ fleet, host, listen, store }, null, 2)
  await writeWhole(files.note, `${text}\n`)
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw thrown
  }
}
