import { PurlinError, toPurlinError } from '@purlin/base'
import {
  type MachineSnapshotSpec,
  machineSnapshotPhases,
  type NewEvent,
  type Task,
  taskEnded,
} from '@purlin/schema'
import { resourceKey } from '@purlin/service'
import type { TaskLog, Write } from '@purlin/store'
import type { OwnMachine } from '@purlin/virt'
import { machineUuid } from '../machines/machine-uuid.ts'
import { type RecordGrounds, writeOnto } from '../move/records.ts'
import type { HostView } from '../status/host-view.ts'
import type { MemoryFiles } from './memory-files.ts'
import { goneOn, memoryFileOf, type SnapshotRecord } from './record.ts'
import { rollBack } from './roll-back.ts'
import { type TakeGrounds, takeSnapshot } from './take.ts'

/** What snapshots of this host's machines are kept with. */
export interface KeeperGrounds extends RecordGrounds, Omit<TakeGrounds, 'onStage' | 'sizeOf'> {
  readonly tasks: TaskLog
  readonly signal: AbortSignal
  readonly memory: MemoryFiles
  /** Where the memory of machines is. */
  readonly memoryFolder: string
  readonly view: () => HostView
  readonly onView: (listener: () => void) => void
  readonly tell: (event: NewEvent) => void
  readonly onEnd: (task: Task) => void
  readonly onTrouble: (thrown: unknown) => void
}

type Event = Parameters<typeof goneOn>[1]

const TASK_VERBS: ReadonlySet<string> = new Set(['snapshot', 'revert', 'delete-snapshot'])
const ATTEMPTS = 25
const WRITE_AGAIN_MS = 1_000
const LOOK_AGAIN_MS = 2_000
/** A task that waits longer than this fails; what it asked for goes on being tried. */
const TASK_LIMIT_MS = 120_000
const TASK_MS_PER_MIB = 40

/** Whether a task is ended by the keeper instead of by what is seen of resources. */
export function isSnapshotTask(task: Task): boolean {
  return TASK_VERBS.has(task.verb)
}

/** Takes snapshots of this host's machines, has machines gone back to them, and forgets them. What
 *  it is about to do is in the store before: a snapshot that was being taken when its agent ended
 *  is forgotten by the next, one that was being gone back to is gone back to. */
export class MachineSnapshotKeeper {
  readonly #grounds: KeeperGrounds
  /** The records that this process is at work on. */
  readonly #busy = new Map<string, Promise<void>>()
  /** What stands in the way of a task, as it was met last. */
  readonly #troubles = new Map<string, PurlinError>()

  constructor(grounds: KeeperGrounds) {
    this.#grounds = grounds
    this.#run().catch((thrown) => grounds.signal.aborted || grounds.onTrouble(thrown))
  }

  async #run(): Promise<void> {
    const { memory, catalogue, onView, clock, signal } = this.#grounds
    await memory.prepare()
    catalogue.onChange(() => this.#look())
    onView(() => this.#look())
    await this.#tidy()
    let orphans = true
    while (!signal.aborted) {
      this.#look()
      await this.#tellLate().catch(ignore)
      if (orphans)
        orphans = await this.#endOrphans().then(
          () => false,
          () => true,
        )
      await clock.sleep(LOOK_AGAIN_MS, signal).catch(() => undefined)
    }
  }

  /** Resolves when nothing is under way any more; once the signal is aborted, that is as soon as
   *  the guests that stand still have been let go on. */
  async stopped(): Promise<void> {
    await Promise.allSettled([...this.#busy.values()])
  }

  #look(): void {
    const { catalogue, host, signal, onTrouble, clock } = this.#grounds
    if (signal.aborted) return
    for (const record of catalogue.current().list('MachineSnapshot')) {
      if (record.manifest.spec.host !== host || this.#busy.has(record.uid)) continue
      const work = this.#workOn(record)
      if (work === undefined) continue
      const ended = work()
        .catch(async (thrown) => {
          if (signal.aborted) return
          onTrouble(thrown)
          await clock.sleep(WRITE_AGAIN_MS, signal).catch(() => undefined)
        })
        .finally(() => {
          this.#busy.delete(record.uid)
          this.#look()
        })
      this.#busy.set(record.uid, ended)
    }
  }

  /** What is to be done now; undefined: nothing, or it has to be waited for. */
  #workOn(record: SnapshotRecord): (() => Promise<void>) | undefined {
    switch (record.manifest.spec.phase) {
      case 'asked':
        return () => this.#take(record)
      case 'taking':
        return () => this.#giveUp(record, cutOff(record))
      case 'taken':
        return undefined
      case 'reverting':
        return this.#isOff(record) ? () => this.#rollBack(record) : undefined
      case 'restoring':
        // Its disks are what they were, and nobody wants its memory any more.
        if (record.manifest.spec.withoutMemory) return () => this.#goneBack(record)
        return this.#isBack(record) ? () => this.#goneBack(record) : undefined
      case 'removing':
        return this.#hasNoParts(record) ? () => this.#removed(record) : undefined
    }
  }

  async #take(asked: SnapshotRecord): Promise<void> {
    const { clock, memory, memoryFolder, signal, tell, tasks } = this.#grounds
    const { name, spec } = asked.manifest
    if (clock.nowMs() > (spec.untilMs ?? 0)) {
      const message = `snapshot ${name}: it could not be begun in time and was given up; ask again`
      return await this.#giveUp(asked, new PurlinError('PUR_DEADLINE_PASSED', { message }))
    }
    const stage = async (text: string): Promise<void> => {
      if (spec.task !== undefined) {
        await tasks.update(spec.task, { state: 'running', progress: { text } })
      }
    }
    try {
      await stage(`machine ${spec.virtualMachine} is kept as it is`)
    } catch (thrown) {
      // The task was cancelled.
      return await this.#giveUp(asked, toPurlinError(thrown))
    }
    const record = await this.#goOn(asked, 'begin')
    if (record === undefined) return
    try {
      const machine = this.#machineOf(record)
      const taken = await takeSnapshot(
        { ...this.#grounds, sizeOf: memory.sizeOf, onStage: (text) => stage(text).catch(ignore) },
        {
          machine,
          disks: spec.disks,
          freeze: spec.freeze,
          ...(spec.memory && { memoryFile: memoryFileOf(memoryFolder, record) }),
        },
        signal,
      )
      await this.#goOn(record, 'taken', taken)
      await this.#endTask(spec, undefined, 'taken', { ...taken, snapshot: name })
      const message = `machine ${spec.virtualMachine} was kept as snapshot ${name}`
      tell({ type: 'machine.snapshot', severity: 'notice', subject: subjectOf(record), message })
    } catch (thrown) {
      if (signal.aborted) return
      await this.#giveUp(record, toPurlinError(thrown))
    }
  }

  #machineOf({ manifest: { name, spec } }: SnapshotRecord): OwnMachine {
    const machine = this.#grounds.catalogue.current().get('VirtualMachine', spec.virtualMachine)
    if (machine?.uid === spec.machineUid) {
      return { name: spec.virtualMachine, uuid: machineUuid(machine) }
    }
    const message = `snapshot ${name}: its machine ${spec.virtualMachine} is gone`
    throw new PurlinError('PUR_RESOURCE_MISSING', { message })
  }

  /** Forgets a snapshot that is not whole; the lane and the tidying take its parts away. */
  async #giveUp(record: SnapshotRecord, error: PurlinError): Promise<void> {
    // What failed is told before what told of it goes; what is done, after it is.
    await this.#endTask(record.manifest.spec, error)
    await this.#goOn(record, 'fail')
    await this.#tidy()
  }

  async #rollBack(record: SnapshotRecord): Promise<void> {
    const { daemon, signal } = this.#grounds
    const { spec } = record.manifest
    try {
      await rollBack(daemon, record, signal)
    } catch (thrown) {
      const error = toPurlinError(thrown)
      if (error.code !== 'PUR_SNAPSHOT_DIFFERS') {
        if (spec.task !== undefined) this.#troubles.set(spec.task, error)
        throw error
      }
      await this.#endTask(spec, error)
      await this.#goOn(record, 'refused')
      return
    }
    if (spec.memoryBytes !== undefined && spec.withoutMemory !== true) {
      await this.#goOn(record, 'rolled-back')
      return
    }
    await this.#goOn(record, 'gone-back')
    await this.#back(record)
  }

  /** Its memory is in place and it stands still: from now on the lane lets it go on as it did. */
  async #goneBack(record: SnapshotRecord): Promise<void> {
    const { power, withoutMemory } = record.manifest.spec
    const wanted = power === 'paused' ? 'paused' : 'running'
    await this.#goOn(record, 'gone-back', {}, withoutMemory ? undefined : wanted)
    await this.#back(record)
  }

  async #back({ manifest, ...record }: SnapshotRecord): Promise<void> {
    const { name, spec } = manifest
    await this.#endTask(spec, undefined, 'gone back')
    const message = `machine ${spec.virtualMachine} is again what snapshot ${name} is`
    const subject = subjectOf({ ...record, manifest })
    this.#grounds.tell({ type: 'machine.reverted', severity: 'notice', subject, message })
  }

  async #removed(record: SnapshotRecord): Promise<void> {
    await this.#goOn(record, 'removed')
    await this.#endTask(record.manifest.spec, undefined, 'forgotten')
    await this.#tidy()
  }

  /** Nobody may start the machine from here on: the lane has passed with that. */
  #isOff({ manifest: { spec }, revision }: SnapshotRecord): boolean {
    const { lanes, machines } = this.#grounds.view()
    const state = machines.get(spec.virtualMachine)?.state ?? 'absent'
    return lanes.virt.passedRevision >= revision && (state === 'stopped' || state === 'absent')
  }

  #isBack({ manifest: { spec }, revision }: SnapshotRecord): boolean {
    const { lanes, machines } = this.#grounds.view()
    const state = machines.get(spec.virtualMachine)?.state
    return lanes.virt.passedRevision >= revision && (state === 'paused' || state === 'running')
  }

  #hasNoParts({ manifest: { spec }, revision }: SnapshotRecord): boolean {
    if (this.#grounds.daemon === undefined || spec.disks.length === 0) return true
    const { lanes, storage } = this.#grounds.view()
    if (lanes.storage.passedRevision < revision) return false
    if (storage === undefined || storage.trouble !== undefined) return false
    return !spec.disks.some(({ snapshot }) => storage.volumes.has(snapshot))
  }

  /** Fails the tasks of what takes too long, once; that itself goes on being tried. */
  async #tellLate(): Promise<void> {
    const { catalogue, host, clock, tasks } = this.#grounds
    for (const { manifest } of catalogue.current().list('MachineSnapshot')) {
      const { name, spec } = manifest
      const waits = spec.phase !== 'asked' && spec.phase !== 'taking' && spec.phase !== 'taken'
      if (!waits || spec.host !== host || spec.task === undefined) continue
      const { createdAtMs, ...task } = await tasks.get(spec.task)
      const limitMs = TASK_LIMIT_MS + spec.shape.memoryMiB * TASK_MS_PER_MIB
      if (task.endedAtMs !== undefined || clock.nowMs() < createdAtMs + limitMs) continue
      const found = this.#troubles.get(spec.task) ?? this.#laneTrouble(spec)
      const reason = found === undefined ? '' : `: ${found.message}`
      const way =
        spec.phase === 'restoring'
          ? `; or do without its memory: purlin vm snapshot revert ${name} --without-memory`
          : ''
      const message = `snapshot ${name} is ${spec.phase} for more than ${Math.round(limitMs / 1_000)} s${reason}; it goes on being tried${way}`
      await this.#endTask(spec, new PurlinError('PUR_DEADLINE_PASSED', { message, cause: found }))
    }
  }

  #laneTrouble({ phase }: MachineSnapshotSpec): PurlinError | undefined {
    const { lanes } = this.#grounds.view()
    return (phase === 'removing' ? lanes.storage : lanes.virt).failure?.error
  }

  /** Has a record go on, as it stands by then; answers what became of it, undefined where it is
   *  gone or another one. `power`: what its machine is wanted to do from now on. */
  async #goOn(
    { manifest: { name, spec }, uid }: SnapshotRecord,
    event: Event,
    found: Partial<MachineSnapshotSpec> = {},
    power?: 'running' | 'paused',
  ): Promise<SnapshotRecord | undefined> {
    const { catalogue, clock, signal } = this.#grounds
    const phase = machineSnapshotPhases.next(spec.phase, event)
    for (let attempt = 1; ; attempt++) {
      const from = catalogue.current()
      const record = from.get('MachineSnapshot', name)
      if (record?.uid !== uid) return undefined
      // It was written although the store did not say so.
      if (attempt > 1 && record.manifest.spec.phase === phase) return record
      const writes: Write[] = [goneOn(record, event, found)]
      const machine = from.get('VirtualMachine', record.manifest.spec.virtualMachine)
      if (power !== undefined && machine !== undefined) {
        const { manifest, generation, createdAtMs } = machine
        const wanted = { ...manifest, spec: { ...manifest.spec, powerState: power } }
        const value = {
          ...{ manifest: wanted, uid: machine.uid, createdAtMs },
          generation: generation + 1,
        }
        writes.push({ put: resourceKey('VirtualMachine', manifest.name), value })
      }
      const written = await writeOnto(this.#grounds, from, writes).catch((thrown) => {
        if (attempt >= ATTEMPTS || toPurlinError(thrown).code !== 'PUR_STORE_UNREACHABLE') {
          throw thrown
        }
        return false
      })
      if (written) return catalogue.current().get('MachineSnapshot', name)
      if (attempt >= ATTEMPTS) {
        const message = `snapshot ${name}: the store takes no word of its ${event}`
        throw new PurlinError('PUR_STORE_UNREACHABLE', { message })
      }
      await clock.sleep(attempt === 1 ? 1 : WRITE_AGAIN_MS, signal)
    }
  }

  async #endTask(
    { task: id }: Pick<MachineSnapshotSpec, 'task'>,
    error: PurlinError | undefined,
    text = '',
    result?: unknown,
  ): Promise<void> {
    if (id === undefined) return
    const { tasks, clock, signal, onEnd } = this.#grounds
    this.#troubles.delete(id)
    for (let attempt = 1; ; attempt++) {
      try {
        const ended = await tasks.update(id, {
          state: error === undefined ? 'succeeded' : 'failed',
          ...(error === undefined
            ? { progress: { done: 1, text }, ...(result !== undefined && { result }) }
            : { problem: { ...error.toProblem() } }),
        })
        onEnd(ended)
        return
      } catch (thrown) {
        const { code } = toPurlinError(thrown)
        // It was cancelled, or failed as late before.
        if (code === 'PUR_TASK_ENDED' || code === 'PUR_TASK_MISSING') return
        if (attempt === ATTEMPTS) throw thrown
        await clock.sleep(WRITE_AGAIN_MS, signal)
      }
    }
  }

  /** Ends what an agent left open that ended between a word in the store and the end of its task:
   *  as far as no record speaks of a task any more, that was done. */
  async #endOrphans(): Promise<void> {
    const { tasks, store } = this.#grounds
    for (const task of await tasks.list()) {
      if (taskEnded(task) || !isSnapshotTask(task)) continue
      const { name = '' } = task.targets[0] ?? {}
      const entry = await store.get(resourceKey('MachineSnapshot', name))
      const record = entry?.value as SnapshotRecord | undefined
      if (record?.manifest.spec.task !== task.id)
        await this.#endTask({ task: task.id }, undefined, 'done')
    }
  }

  async #tidy(): Promise<void> {
    const { memory, signal, onTrouble } = this.#grounds
    await memory.tidy().catch((thrown) => signal.aborted || onTrouble(thrown))
  }
}

function ignore(): void {}

function subjectOf({ manifest }: SnapshotRecord): NewEvent['subject'] {
  return { kind: 'MachineSnapshot', name: manifest.name }
}

function cutOff({ manifest: { name, spec } }: SnapshotRecord): PurlinError {
  const message = `snapshot ${name} of machine ${spec.virtualMachine}: the agent ended before it was whole; nothing is left of it: ask again`
  return new PurlinError('PUR_SNAPSHOT_CUT_OFF', { message, context: { snapshot: name } })
}
