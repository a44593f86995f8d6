import { readdir, readFile } from 'node:fs/promises'
import { shortHash } from '@purlin/base'
import { readText, writeWhole } from '../services/folder.ts'
import { isApart, type ProcessIdentity, readIdentity, stateOf } from '../services/process.ts'
import type { RouterDesired } from './desired.ts'
import type { Setting } from './settings.ts'

/** What a namespace has been told, and which namespace it was: another one has been told
 *  nothing. */
export interface Told {
  readonly stamp: string
  readonly settings: readonly Setting[]
}

/** What a router was brought to last, as its file says. */
export interface RouterState {
  readonly fingerprint: string
  /** By port group; the router's own namespace under the empty name. */
  readonly told: Readonly<Record<string, Told>>
  readonly answered: readonly string[]
}

export interface RouterObserved {
  readonly name: string
  /** The process that keeps its namespace; undefined where it is gone. */
  readonly holder: ProcessIdentity | undefined
  readonly fingerprint: string
  /** Devices within its namespace. */
  readonly devices: ReadonlySet<string>
}

const NOTHING_TOLD: RouterState = { fingerprint: '', told: {}, answered: [] }

/** The folder of a router. */
export function routerFolder(runFolder: string, router: string): string {
  return `${runFolder}/routers/${router}`
}

/** Every router that has a folder, by name. It spawns nothing. */
export async function observeRouters(
  runFolder: string,
): Promise<ReadonlyMap<string, RouterObserved>> {
  const names = await readdir(`${runFolder}/routers`).catch(() => [])
  const routers = await Promise.all(names.map((name) => observeRouter(runFolder, name)))
  return new Map(routers.map((router) => [router.name, router]))
}

/** One router as it stands. */
export async function observeRouter(runFolder: string, name: string): Promise<RouterObserved> {
  const folder = routerFolder(runFolder, name)
  const [identity, state] = await Promise.all([
    readIdentity(`${folder}/holder.json`),
    readState(folder),
  ])
  const held =
    identity !== undefined && stateOf(identity) === 'running' && (await isApart(identity.processId))
  const devices = held ? await devicesOf(identity.processId) : new Set<string>()
  return { name, holder: held ? identity : undefined, fingerprint: state.fingerprint, devices }
}

/** Reads what a router was brought to; nothing where that was never, or the file is torn. */
export async function readState(folder: string): Promise<RouterState> {
  try {
    const { fingerprint, told, answered } = JSON.parse(
      await readFile(`${folder}/state.json`, 'utf8'),
    )
    return { fingerprint: String(fingerprint), told, answered }
  } catch {
    return NOTHING_TOLD
  }
}

/** Writes down what a router was brought to. */
export async function writeState(folder: string, state: RouterState): Promise<void> {
  await writeWhole(folder, 'state.json', JSON.stringify(state))
}

/** Of what a router was made. `stamps` are those of the namespaces of its port groups: one that was
 *  made or configured anew has forgotten what the router had told it. */
export function routerFingerprint(router: RouterDesired, stamps: readonly string[]): string {
  return shortHash(JSON.stringify([router, stamps]), 16)
}

/** Names of the devices in the network namespace of a process. */
export async function devicesOf(processId: number): Promise<ReadonlySet<string>> {
  const text = (await readText(`/proc/${processId}/net/dev`)) ?? ''
  return new Set([...text.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] ?? ''))
}
