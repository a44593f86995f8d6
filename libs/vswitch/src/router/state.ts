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

/** What stood inside a namespace when the router was done with it, a line each. */
export interface Written {
  readonly stamp: string
  readonly lines: readonly string[]
}

/** What a router was brought to last, as its file says. */
export interface RouterState {
  readonly fingerprint: string
  /** By port group; the router's own namespace under the empty name. */
  readonly told: Readonly<Record<string, Told>>
  readonly answered: readonly string[]
  /** As `told`. */
  readonly inside: Readonly<Record<string, Written>>
}

export interface RouterObserved {
  readonly name: string
  /** The process that keeps its namespace; undefined where it is gone. */
  readonly holder: ProcessIdentity | undefined
  readonly fingerprint: string
  /** Devices within its namespace. */
  readonly devices: ReadonlySet<string>
  readonly inside: RouterState['inside']
  /** What somebody took away inside its namespace (under the empty name) and those of its port
   *  groups; where it was not looked, nothing. */
  readonly lacking: ReadonlyMap<string, readonly string[]>
}

/** Raised with what is written down of a router, so that one of an older agent is written anew. */
const FORM = 2
const NOTHING_TOLD: RouterState = { fingerprint: '', told: {}, answered: [], inside: {} }

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
  const { fingerprint, inside } = state
  const holder = held ? identity : undefined
  return { name, holder, fingerprint, devices, inside, lacking: new Map() }
}

/** Reads what a router was brought to; nothing where that was never, or the file is torn. */
export async function readState(folder: string): Promise<RouterState> {
  try {
    const state = JSON.parse(await readFile(`${folder}/state.json`, 'utf8'))
    const { fingerprint, told, answered, inside = {} } = state
    return { fingerprint: String(fingerprint), told, answered, inside }
  } catch {
    return NOTHING_TOLD
  }
}

/** The stamp of a router's own namespace. */
export function stampOf({ processId, startTicks }: ProcessIdentity): string {
  return `${processId} ${startTicks}`
}

/** Writes down what a router was brought to. */
export async function writeState(folder: string, state: RouterState): Promise<void> {
  await writeWhole(folder, 'state.json', JSON.stringify(state))
}

/** Of what a router was made. `stamps` are those of the namespaces of its port groups: one that was
 *  made or configured anew has forgotten what the router had told it. */
export function routerFingerprint(router: RouterDesired, stamps: readonly string[]): string {
  return shortHash(JSON.stringify([FORM, router, stamps]), 16)
}

/** Names of the devices in the network namespace of a process. */
export async function devicesOf(processId: number): Promise<ReadonlySet<string>> {
  const text = (await readText(`/proc/${processId}/net/dev`)) ?? ''
  return new Set([...text.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] ?? ''))
}
