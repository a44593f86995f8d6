import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Fact, PurlinError, systemClock, toPurlinError } from '@purlin/base'
import { absentDisksFound } from './absent-disks.ts'
import { type OwnedNames, ownedNames } from './configuration/owned-names.ts'
import { writeDurably } from './configuration/write-durably.ts'
import { type ControlClient, createControlClient, unreachable } from './control/client.ts'
import { CONTROL_SOCKET, VHOST_SOCKET, type VolumeLimits } from './control/messages.ts'
import type { StorageDesired } from './desired.ts'
import { type StorageObserved, storageFacts } from './observed.ts'
import { planStorage } from './plan/plan.ts'
import type { StorageStep } from './plan/step.ts'
import { progressOf } from './progress.ts'

export interface StorageDriverOptions {
  /** The daemon's folder of sockets. */
  readonly sockets: string
  /** The daemon's configuration file, which this driver writes. */
  readonly configuration: string
  /** Where it is noted what belongs to resources. */
  readonly ownedFile: string
  readonly clock?: Clock
}

/** The storage lane's driver; it fits the reconciler's LaneDriver by its shape. */
export interface StorageDriver {
  readonly lane: 'storage'
  /** A daemon that is away is observed as such. Errors: PUR_BLOCK_ANSWER,
   *  PUR_BLOCK_CONTROL_VERSION, PUR_DEADLINE_PASSED. */
  observe(signal: AbortSignal): Promise<StorageObserved>
  plan(desired: StorageDesired, observed: StorageObserved): readonly StorageStep[]
  /** Errors: PUR_BLOCK_*. */
  execute(step: StorageStep, signal: AbortSignal): Promise<void>
  facts(observed: StorageObserved): ReadonlySet<Fact>
  /** Whether `later` makes sense although `failed` of the same plan has failed. Pure. */
  independent(failed: StorageStep, later: StorageStep): boolean
  watch(onChange: (reason: string) => void, signal: AbortSignal): void
  /** Notes that volumes and snapshots of these names are resources', before somebody else than the
   *  lane makes them: those that no resource names are deleted. */
  own(names: readonly string[]): Promise<void>
}

const STATUS_DEADLINE_MS = 8_000
/** How often it is looked whether another process of the daemon answers. */
const LOOK_EVERY_MS = 2_000
const SUCCESSOR_LOOK_MS = 50

/** Makes the driver of this host's block daemon; without options the host has none. It starts
 *  nothing until it is used. */
export function createStorageDriver(options?: StorageDriverOptions): StorageDriver {
  const grounds = options && groundsOf(options)
  return {
    lane: 'storage',
    observe: async (signal) => {
      if (grounds === undefined) return NOTHING
      return await observe(grounds, signal)
    },
    plan: planStorage,
    execute: async (step, signal) => {
      if (grounds !== undefined) await execute(grounds, step, signal)
    },
    facts: storageFacts,
    independent: (failed, later) => {
      if (failed.kind === 'return') return true
      const calls = failed.kind === 'call' && later.kind === 'call'
      return calls && failed.subject !== later.subject
    },
    watch: (onChange, signal) => {
      if (grounds !== undefined) void watchProcess(grounds, onChange, signal)
    },
    own: async (names) => {
      await grounds?.owned.add(names)
    },
  }
}

const NOTHING: StorageObserved = {
  configuration: '',
  owned: new Set(),
  limits: new Map(),
  vhostUser: new Set(),
  found: new Set(),
  strangers: new Set(),
  trouble: 'this host is not configured for storage',
}

interface Grounds {
  readonly options: StorageDriverOptions
  readonly client: ControlClient
  readonly owned: OwnedNames
  readonly clock: Clock
  /** Limits that were set, and disks that were found to be strangers, in the daemon of one
   *  process. */
  readonly set: {
    process: number
    readonly limits: Map<string, string>
    readonly strangers: Set<string>
  }
}

function groundsOf(options: StorageDriverOptions): Grounds {
  return {
    options,
    client: createControlClient(join(options.sockets, CONTROL_SOCKET)),
    owned: ownedNames(options.ownedFile),
    clock: options.clock ?? systemClock,
    set: { process: 0, limits: new Map(), strangers: new Set() },
  }
}

async function observe(grounds: Grounds, signal: AbortSignal): Promise<StorageObserved> {
  const { client, options, owned, set } = grounds
  const [status, configuration, names] = await Promise.all([
    client.status({ deadlineMs: STATUS_DEADLINE_MS, signal }).catch(awayOnly),
    readFile(options.configuration, 'utf8').catch(() => ''),
    owned.read(),
  ])
  const rest = { configuration, owned: names }
  if (status instanceof PurlinError) {
    return { ...NOTHING, ...rest, trouble: status.message }
  }
  if (set.process !== status.process) {
    set.process = status.process
    set.limits.clear()
    set.strangers.clear()
  }
  const { process, pools } = status
  const found = await absentDisksFound(pools, configuration)
  // What is taken away and put back may be another disk.
  for (const path of set.strangers) if (!found.has(path)) set.strangers.delete(path)
  return {
    ...rest,
    daemon: { process, pools },
    limits: new Map(set.limits),
    vhostUser: await volumesByVhostUser(options.sockets),
    found,
    strangers: new Set(set.strangers),
  }
}

/** The volumes that have a socket for QEMU's vhost-user beside that of NBD. */
async function volumesByVhostUser(sockets: string): Promise<ReadonlySet<string>> {
  const names = await readdir(sockets).catch((): string[] => [])
  const own = names.filter((name) => name.endsWith(VHOST_SOCKET))
  return new Set(own.map((name) => name.slice(0, -VHOST_SOCKET.length)))
}

function awayOnly(thrown: unknown): PurlinError {
  const error = toPurlinError(thrown)
  if (error.code !== 'PUR_BLOCK_UNREACHABLE') throw error
  return error
}

async function execute(grounds: Grounds, step: StorageStep, signal: AbortSignal): Promise<void> {
  const { client, owned, options, set } = grounds
  switch (step.kind) {
    case 'reach':
      throw unreachable(join(options.sockets, CONTROL_SOCKET), step.found)
    case 'adopt':
      return await owned.add(step.names)
    case 'configure':
      return await configure(grounds, step, signal)
    case 'return':
      return await giveBack(grounds, step, signal)
    case 'call':
      break
  }
  const call = { deadlineMs: step.deadlineMs, signal }
  const creates = ['volume-create', 'volume-clone', 'snapshot-create'].includes(step.call)
  // Noted first: what a crash leaves half noted is then made again, and never left behind.
  if (creates) await owned.add([step.subject])
  await client.call(step.call, step.words as never, call).catch((thrown: unknown) => {
    // A cache that is not in use takes the SSDs of the file at the next start.
    const { code } = toPurlinError(thrown)
    const unused = code === 'PUR_CACHE_NONE' || code === 'PUR_CACHE_STATE'
    if (!step.call.startsWith('cache-device-') || !unused) throw thrown
  })
  if (step.call === 'volume-delete' || step.call === 'snapshot-delete') {
    set.limits.delete(step.subject)
    await owned.remove(step.subject)
  }
  if ('limits' in step.words) note(set.limits, step.subject, step.words.limits)
}

/** A disk that was found where a missing one should be. One that is none of the pool's is for the
 *  next plan. */
async function giveBack(
  { client, set }: Grounds,
  { pool, disk, path, mayBeNew, deadlineMs }: StorageStep & { readonly kind: 'return' },
  signal: AbortSignal,
): Promise<void> {
  await client
    .call('disk-return', { pool, disk }, { deadlineMs, signal })
    .catch((thrown: unknown) => {
      const isStranger = toPurlinError(thrown).code === 'PUR_BLOCK_FOREIGN_DISK'
      if (!isStranger || !mayBeNew) throw thrown
      set.strangers.add(path)
    })
}

function note(limits: Map<string, string>, name: string, words: VolumeLimits): void {
  limits.set(name, JSON.stringify(words))
}

async function configure(
  { client, clock, options }: Grounds,
  { text, restart, deadlineMs }: StorageStep & { readonly kind: 'configure' },
  signal: AbortSignal,
): Promise<void> {
  await writeDurably(options.configuration, text)
  if (!restart) return
  const answer = await client.call('upgrade', { program: null }, { deadlineMs, signal })
  const successor = (answer as { readonly process?: number }).process
  // The old process answers until it has gone; what is asked of it then would be lost.
  for (;;) {
    const status = await client
      .status({ deadlineMs: STATUS_DEADLINE_MS, signal })
      .catch(() => undefined)
    if (status !== undefined && status.process === successor) return
    await clock.sleep(SUCCESSOR_LOOK_MS, signal)
  }
}

/** The daemon tells nobody of its changes; that it came, went or was replaced, how far it is with
 *  what takes long, and that a disk it misses can be found, is looked for. */
async function watchProcess(
  { client, clock, options }: Grounds,
  onChange: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let before: string | undefined
  while (!signal.aborted) {
    const call = { deadlineMs: STATUS_DEADLINE_MS, signal }
    const seen = await client.status(call).then(
      async ({ process, pools }) => {
        const text = await readFile(options.configuration, 'utf8').catch(() => '')
        const found = [...(await absentDisksFound(pools, text))]
        const back = found.length === 0 ? [] : [`${found.join(', ')} can be found`]
        return [`${process} ${pools.map(progressOf).join(', ')}`, ...back].join('; ')
      },
      () => 'away',
    )
    if (before !== undefined && seen !== before && !signal.aborted) {
      onChange(`the block daemon is ${seen}`)
    }
    before = seen
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
  }
}
