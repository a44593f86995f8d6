import { PurlinError } from '@purlin/base'
import {
  type Kind,
  type MachinePower,
  type MachineSnapshotSpec,
  machineSnapshotPhases,
  type Task,
} from '@purlin/schema'
import type { Catalogue, Once, OnceRequest, StoredRecord } from '@purlin/service'
import type { TaskLog, Write } from '@purlin/store'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Presence } from '../fleet/presence.ts'
import { type RecordGrounds, writeOnto } from '../move/records.ts'
import type { FleetState } from '../status/fleet-state.ts'
import { diskDifferences, memoryDifferences } from './differences.ts'
import { askedWrite, goneOn, revertOf, type SnapshotRecord } from './record.ts'

export interface SnapshotGrounds extends RecordGrounds {
  readonly tasks: TaskLog
  /** What is observed on all hosts. */
  readonly fleet: FleetState
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
}

const ATTEMPTS = 25
/** One that an agent finds so late was meant for another moment. */
const BEGIN_WITHIN_MS = 30_000
const SNAPSHOTS_MAX = 64

/** The calls about snapshots of machines: each writes what is asked for with its task, and the
 *  agent of the machine's host does it. */
export function machineSnapshotHandlers(
  grounds: SnapshotGrounds,
  once: Once,
): Pick<
  OperationHandlers,
  'createMachineSnapshot' | 'revertMachineSnapshot' | 'deleteMachineSnapshot'
> {
  return {
    createMachineSnapshot: (call) =>
      once(call, (request) => {
        const { name, memory, freeze } = call.body
        const untilMs = grounds.clock.nowMs() + BEGIN_WITHIN_MS
        return ask(grounds, 'snapshot', name, request, (from, task) => {
          const machine = recordOf(from, 'VirtualMachine', call.params.name)
          assertKeepable(grounds, from, machine, call.body)
          const wish = { name, memory, freeze, task, untilMs }
          return askedWrite(machine, from, wish, {
            host: grounds.host,
            nowMs: grounds.clock.nowMs(),
          })
        })
      }),
    revertMachineSnapshot: (call) =>
      once(call, (request) => {
        const { withoutMemory } = call.body
        const name = call.params.name ?? ''
        return ask(grounds, 'revert', name, request, (from, task) => {
          const record = recordOf(from, 'MachineSnapshot', name)
          const wish = { task, ...(withoutMemory && { withoutMemory }) }
          // Its disks are what they were already, and it is its memory that cannot be taken up.
          if (record.manifest.spec.phase === 'restoring' && withoutMemory) {
            return goneOn(record, 'forgo', wish)
          }
          assertRevertible(grounds, from, record, withoutMemory)
          return goneOn(record, 'revert', wish)
        })
      }),
    deleteMachineSnapshot: (call) =>
      once(call, (request) => {
        const name = call.params.name ?? ''
        return ask(grounds, 'delete-snapshot', name, request, (from, task) => {
          const record = recordOf(from, 'MachineSnapshot', name)
          assertPhase(record, 'remove')
          return goneOn(record, 'remove', { task })
        })
      }),
  }
}

/** Writes what is asked for, with its task, as it follows from how things stand by then. */
async function ask(
  grounds: SnapshotGrounds,
  verb: string,
  name: string,
  request: OnceRequest | undefined,
  change: (from: Catalogue, task: string) => Write,
): Promise<Task> {
  const { tasks, catalogue, clock } = grounds
  const { task, write } = tasks.prepare(verb, [{ kind: 'MachineSnapshot', name }], {
    progress: { done: 0, total: 1, text: 'accepted' },
  })
  for (let attempt = 1; ; attempt++) {
    const from = catalogue.current()
    const wanted = change(from, task.id)
    const writes = [wanted, write, ...(request ? [request.remember(task.id)] : [])]
    if (await writeOnto(grounds, from, writes, request ? [request.guard] : [])) return task
    if (attempt >= ATTEMPTS) {
      const message = `${verb} ${name}: others changed resources all the time; ask again`
      throw new PurlinError('PUR_STORE_CONFLICT', { message })
    }
    await clock.sleep(attempt)
  }
}

function assertKeepable(
  grounds: SnapshotGrounds,
  from: Catalogue,
  machine: StoredRecord<'VirtualMachine'>,
  { name: snapshot, memory, freeze }: { name: string; memory: boolean; freeze: string },
): void {
  const { name, spec } = machine.manifest
  if (from.get('MachineSnapshot', snapshot) !== undefined) {
    throw refused(`there is a snapshot ${snapshot} already; take another name, or delete it first`)
  }
  const others = from
    .list('MachineSnapshot')
    .filter(({ manifest }) => manifest.spec.machineUid === machine.uid)
  const busy = others.find(({ manifest }) => manifest.spec.phase !== 'taken')
  if (busy !== undefined) throw refused(busyText(name, busy))
  if (others.length >= SNAPSHOTS_MAX) {
    throw refused(`machine ${name} has ${others.length} snapshots, which is the most; delete some`)
  }
  if (memory && freeze === 'required') {
    throw invalid(
      'freeze',
      'nothing is frozen where memory is kept: the guest goes on where it was',
    )
  }
  const shared = spec.disks.find(({ attach }) => attach === 'vhost-user')
  if (memory && shared !== undefined) {
    const message = `the memory of machine ${name} cannot be kept, since the block daemon has it for disk ${shared.name} (attach: vhost-user); keep its disks alone, or attach it by nbd`
    throw invalid('memory', message)
  }
  if (spec.disks.length === 0 && !memory) {
    throw invalid('memory', `machine ${name} has no disks: only its memory could be kept`)
  }
  const state = seen(grounds, machine)
  if (memory && state === 'stopped') {
    throw invalid('memory', `machine ${name} is off, so that it has no memory to keep`)
  }
  if (state === 'running' || state === 'paused' || state === 'stopped') return
  const message = `snapshot of machine ${name}: it is ${state}; it is kept while it runs, stands still or is off`
  throw new PurlinError('PUR_VIRT_POWER', { message, context: { machine: name } })
}

function assertRevertible(
  grounds: SnapshotGrounds,
  from: Catalogue,
  record: SnapshotRecord,
  withoutMemory: boolean,
): void {
  const { name, spec } = record.manifest
  assertPhase(record, 'revert')
  const machine = recordOf(from, 'VirtualMachine', spec.virtualMachine)
  if (machine.uid !== spec.machineUid) {
    throw differs(name, [`machine ${spec.virtualMachine} is another one of that name`])
  }
  const at = machine.manifest.spec.host ?? grounds.host
  if (at !== spec.host) {
    throw differs(name, [
      `machine ${spec.virtualMachine} is on ${at}, and what it was is on ${spec.host}`,
    ])
  }
  const busy =
    revertOf(from, machine) ??
    from.list('MachineSnapshot').find(({ manifest: { spec: other } }) => {
      const takes = other.phase === 'asked' || other.phase === 'taking'
      return takes && other.machineUid === machine.uid
    })
  if (busy !== undefined) throw refused(busyText(spec.virtualMachine, busy))
  const disks = diskDifferences(record, machine, from)
  if (disks.length > 0) throw differs(name, disks)
  const withMemory = spec.memoryBytes !== undefined && !withoutMemory
  const memory = withMemory ? memoryDifferences(record, machine, from) : []
  if (memory.length > 0) {
    throw differs(name, [...memory, 'its disks alone: --without-memory'])
  }
  const state = seen(grounds, machine)
  const { powerState } = machine.manifest.spec
  if (state === 'stopped' && powerState === 'stopped') return
  const wanted = state === powerState ? '' : `, wanted ${powerState}`
  const message = `machine ${spec.virtualMachine} is ${state}${wanted}; it is made what it was while it is off: purlin vm stop ${spec.virtualMachine}`
  throw new PurlinError('PUR_VIRT_POWER', { message, context: { machine: spec.virtualMachine } })
}

/** Errors: PUR_VIRT_UNREACHABLE where its host is away or has not looked. */
function seen(
  { fleet, presence }: SnapshotGrounds,
  machine: StoredRecord<'VirtualMachine'>,
): MachinePower {
  const { name, spec } = machine.manifest
  if (spec.host !== undefined && presence?.isPresent(spec.host) === false) {
    const message = `machine ${name}: its host ${spec.host} is away`
    throw new PurlinError('PUR_VIRT_UNREACHABLE', { message })
  }
  const state = fleet.viewOf(machine).machines.get(name)?.state
  if (state !== undefined) return state
  const message = `machine ${name}: its host has not looked at it yet; ask again in a moment`
  throw new PurlinError('PUR_VIRT_UNREACHABLE', { message })
}

function assertPhase(record: SnapshotRecord, event: 'revert' | 'remove'): void {
  const { name, spec } = record.manifest
  if (machineSnapshotPhases.allows(spec.phase, event)) return
  throw refused(busyText(spec.virtualMachine, record, name))
}

function busyText(machine: string, { manifest }: SnapshotRecord, name = manifest.name): string {
  return `snapshot ${name} of machine ${machine} is ${WORDS[manifest.spec.phase]}; ask again when it is done`
}

const WORDS: Readonly<Record<MachineSnapshotSpec['phase'], string>> = {
  asked: 'being taken',
  taking: 'being taken',
  taken: 'taken',
  reverting: 'being gone back to',
  restoring: 'being gone back to',
  removing: 'being deleted',
}

function refused(message: string): PurlinError {
  return new PurlinError('PUR_SNAPSHOT_STATE', { message })
}

function differs(snapshot: string, found: readonly string[]): PurlinError {
  return new PurlinError('PUR_SNAPSHOT_DIFFERS', {
    message: `snapshot ${snapshot} cannot be gone back to: ${found.join('; ')}`,
    context: { snapshot, found },
  })
}

function invalid(path: string, message: string): PurlinError {
  return new PurlinError('PUR_INVALID', { message, problems: [{ path, message }] })
}

function recordOf<K extends Kind>(from: Catalogue, kind: K, name = ''): StoredRecord<K> {
  const record = from.get(kind, name)
  if (record !== undefined) return record
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
}
