import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { MachineSnapshotSpec } from '@purlin/schema'
import type { ControlClient } from '@purlin/storage'
import type { GuestAgent, MachineStillness, OwnMachine, Stillness } from '@purlin/virt'

/** What a snapshot is taken with. */
export interface TakeGrounds {
  readonly clock: Clock
  readonly stillness: MachineStillness
  readonly guests: Pick<GuestAgent, 'ping' | 'freeze' | 'thaw'>
  /** Writes the word that the guest is thawed then, by this agent or the next. */
  readonly thawLater: (machine: string, afterMs: number) => Promise<unknown>
  /** Absent where this host serves no storage. */
  readonly daemon: Pick<ControlClient, 'call' | 'status'> | undefined
  /** Notes that snapshots of the daemon are resources' before they are made. */
  readonly own: (names: readonly string[]) => Promise<void>
  readonly sizeOf: (file: string) => Promise<number>
  /** Told what is being done, for people. */
  readonly onStage: (text: string) => Promise<void>
}

/** What is to be taken. */
export interface Take {
  readonly machine: OwnMachine
  readonly disks: MachineSnapshotSpec['disks']
  readonly freeze: MachineSnapshotSpec['freeze']
  /** The file for its memory; absent: its memory is not kept. */
  readonly memoryFile?: string
}

/** What came of it. */
export type Taken = Pick<
  MachineSnapshotSpec,
  'takenAtMs' | 'frozen' | 'stoodStillMs' | 'memoryBytes' | 'power' | 'disks'
>

const PING_DEADLINE_MS = 3_000
const FREEZE_DEADLINE_MS = 30_000
const FREEZE_HOLD_MS = 60_000
const THAW_DEADLINE_MS = 10_000
const CALL_DEADLINE_MS = 20_000

/** Takes all disks of a machine, and its memory if asked, at one instant: while it stands still. A
 *  guest is let go on and thawed whatever happens. What is left of one that fails is for whoever
 *  forgets its record. Errors: PUR_SNAPSHOT_MOVED, PUR_KIND_NOT_SERVED, those of libvirt, of the
 *  guest's agent where its freeze is required, and of the block daemon. */
export async function takeSnapshot(
  grounds: TakeGrounds,
  take: Take,
  signal: AbortSignal,
): Promise<Taken> {
  const { clock } = grounds
  const { name } = take.machine
  const thaw = await freeze(grounds, take, signal)
  let [beganMs, stoodStillMs]: [number, number] = [0, 0]
  let stillness: Stillness | undefined
  try {
    beganMs = clock.monotonicMs()
    stillness = await grounds.stillness.begin(take.machine, signal)
    const memoryFile = stillness.before === 'stopped' ? undefined : take.memoryFile
    if (memoryFile !== undefined) {
      await grounds.onStage(`the memory of machine ${name} is written; it stands still meanwhile`)
      await stillness.saveMemory(memoryFile)
    }
    await takeParts(grounds, take, signal)
    if (!(await stillness.lasted())) {
      const message = `machine ${name} went on while its disks were taken, so that they are not of one instant; nothing is kept: ask again`
      throw new PurlinError('PUR_SNAPSHOT_MOVED', { message, context: { machine: name } })
    }
    const takenAtMs = clock.nowMs()
    await stillness.end()
    stoodStillMs = Math.round(clock.monotonicMs() - beganMs)
    const { before } = stillness
    stillness = undefined
    const memoryBytes = memoryFile === undefined ? undefined : await grounds.sizeOf(memoryFile)
    return {
      takenAtMs,
      frozen: thaw !== undefined,
      power: before,
      ...(before === 'running' && { stoodStillMs }),
      ...(memoryBytes !== undefined && { memoryBytes }),
      disks: await withSizes(grounds, take.disks, signal),
    }
  } finally {
    await stillness?.end()
    await thaw?.()
  }
}

/** Has the guest write out its file systems. Answers how it is thawed; undefined: it is not
 *  frozen. With memory nothing is frozen: what the guest holds back is part of that. */
async function freeze(
  { guests, thawLater, onStage }: TakeGrounds,
  { machine: { name }, freeze: wish, memoryFile }: Take,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | undefined> {
  if (wish === 'never' || memoryFile !== undefined) return undefined
  const thaw = async (): Promise<void> => {
    // Where it fails, the word in the store has it done in time.
    await guests.thaw(name, { deadlineMs: THAW_DEADLINE_MS }).catch(() => undefined)
  }
  try {
    await guests.ping(name, { deadlineMs: PING_DEADLINE_MS, signal })
  } catch (thrown) {
    if (wish === 'auto') return undefined
    const { message } = toPurlinError(thrown)
    throw new PurlinError('PUR_VIRT_AGENT_UNRESPONSIVE', {
      message: `machine ${name}: its file systems cannot be frozen, as was required: ${message}; take the snapshot with --freeze auto`,
      cause: thrown,
    })
  }
  await onStage(`the guest of machine ${name} writes out its file systems`)
  await thawLater(name, FREEZE_HOLD_MS)
  try {
    await guests.freeze(name, { deadlineMs: FREEZE_DEADLINE_MS, signal })
    return thaw
  } catch (thrown) {
    // It may be frozen all the same.
    await thaw()
    if (wish === 'auto') return undefined
    throw thrown
  }
}

async function takeParts(
  { daemon, own }: TakeGrounds,
  { disks, machine }: Take,
  signal: AbortSignal,
): Promise<void> {
  if (disks.length === 0) return
  if (daemon === undefined) {
    const message = `machine ${machine.name}: its host has no [storage] in its configuration, so that its disks cannot be kept`
    throw new PurlinError('PUR_KIND_NOT_SERVED', { message })
  }
  // Noted first: what a crash leaves of them is then found and taken away.
  await own(disks.map(({ snapshot }) => snapshot))
  const call = { deadlineMs: CALL_DEADLINE_MS, signal }
  const ended = await Promise.allSettled(
    disks.map(({ volume, snapshot: name }) =>
      daemon.call('snapshot-create', { volume, name }, call),
    ),
  )
  const failed = ended.find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** How large each disk was; a daemon that does not answer leaves it open. */
async function withSizes(
  { daemon }: TakeGrounds,
  disks: Take['disks'],
  signal: AbortSignal,
): Promise<Take['disks']> {
  if (daemon === undefined) return disks
  const status = await daemon
    .status({ deadlineMs: CALL_DEADLINE_MS, signal })
    .catch(() => undefined)
  const sizes = new Map(
    (status?.pools ?? []).flatMap(({ engine }) =>
      (engine?.volumes ?? []).map(({ name, sizeBytes }) => [name, sizeBytes] as const),
    ),
  )
  return disks.map((disk) => {
    const sizeBytes = sizes.get(disk.snapshot)
    return sizeBytes === undefined ? disk : { ...disk, sizeBytes }
  })
}
