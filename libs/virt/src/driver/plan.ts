import { type Fact, fact, sizeFact } from '@purlin/base'
import { differences } from '../domain/difference.ts'
import { ASK_AGAIN_MS } from '../machine/device-asks.ts'
import type { PowerState } from '../machine/power-state.ts'
import { restOf } from '../machine/rest.ts'
import { type PowerAct, powerActs } from '../machine/wanted-power.ts'
import { askKeyOf, type LiveChange, liveDifference } from './live-changes.ts'
import { holdsFact } from './observe.ts'
import type {
  MachineDesired,
  ObservedMachine,
  VirtDesired,
  VirtObserved,
  VirtStep,
  VirtVerb,
} from './types.ts'

export interface PlanOptions {
  /** How long a guest may take to power off whose machine does not say. */
  readonly graceMs: number
}

export const DEFAULT_PLAN_OPTIONS: PlanOptions = { graceMs: 20_000 }

/** Deadlines of the steps. Saving and restoring have time for the memory on top. */
const DEADLINE_MS: Readonly<Record<VirtVerb, number>> = {
  adopt: 15_000,
  define: 15_000,
  redefine: 15_000,
  start: 60_000,
  restore: 60_000,
  resume: 15_000,
  wake: 15_000,
  pause: 15_000,
  save: 60_000,
  discard: 15_000,
  grow: 15_000,
  plug: 30_000,
  unplug: 15_000,
  tune: 30_000,
  mark: 15_000,
  shutdown: 15_000,
  destroy: 30_000,
  undefine: 15_000,
}

/** A disk that writes 50 MiB a second is a slow one. */
const SAVE_MS_PER_MIB = 20

/** The steps from what is to what should be, in order: first what leaves, then what comes. Pure;
 *  empty when nothing differs. A running machine is never restarted for a change of its spec: it is
 *  redefined, what can be changed while it runs is, and `status` says whether a restart is pending.
 *  A machine whose name a foreign domain has gets its `define` step, which fails with
 *  PUR_VIRT_NAME_TAKEN and touches nothing. */
export function planVirt(
  desired: VirtDesired,
  observed: VirtObserved,
  options: PlanOptions = DEFAULT_PLAN_OPTIONS,
): readonly VirtStep[] {
  const wanted = new Map(desired.machines.map((machine) => [machine.name, machine]))
  const found = new Map(observed.machines.map((machine) => [machine.name, machine]))
  const leaving = observed.machines.filter(
    ({ name, uuid }) => wanted.get(name)?.uuid !== uuid && desired.untold?.includes(uuid) !== true,
  )
  return [
    ...leaving.flatMap(removal),
    ...desired.machines.flatMap((machine) => {
      const present = found.get(machine.name)
      const kept = present?.uuid === machine.uuid ? present : undefined
      const steps = approach(machine, kept, observed, options)
      return present === kept ? steps : steps.map(afterRemoval)
    }),
  ]
}

function removal(machine: ObservedMachine): VirtStep[] {
  const undefine = step('undefine', machine.name, `remove the domain of machine ${machine.name}`, {
    forbids: [fact('vm', machine.name, 'running')],
  })
  const destroy = step('destroy', machine.name, `take the power of machine ${machine.name} away`)
  if (!machine.active) return [undefine]
  return machine.persistent ? [destroy, undefine] : [destroy]
}

/** A step of a machine whose former domain of the same name leaves first: it waits for that as
 *  well. */
function afterRemoval(step: VirtStep): VirtStep {
  return { ...step, forbids: [...step.forbids, fact('vm', step.machine, 'running')] }
}

function approach(
  machine: MachineDesired,
  found: ObservedMachine | undefined,
  observed: VirtObserved,
  options: PlanOptions,
): VirtStep[] {
  if (found === undefined) {
    const foreign = observed.foreign.find((domain) => domain.name === machine.name)
    if (foreign?.uuid === machine.uuid) return [define(machine, 'adopt', 'it keeps what it is')]
    const taken = foreign !== undefined
    const steps = taken ? [] : actSteps(machine, powerActs[machine.powerState].stopped)
    const others = observed.machines.filter(({ name }) => name !== machine.name)
    const starts = steps.map((one) => waitForHolders(one, machine, others))
    return [define(machine, 'define', 'new'), ...starts]
  }
  const steps: VirtStep[] = []
  const changed = differences(machine, found.defined)
  if (changed.length > 0) steps.push(define(machine, 'redefine', changed.join(', ')))
  else if (!found.persistent) steps.push(define(machine, 'redefine', 'its definition is gone'))
  const acts = found.state === 'absent' ? [] : powerSteps(machine, found, found.state, options)
  const others = observed.machines.filter(({ name }) => name !== machine.name)
  const ordered = [...steps, ...acts, ...changeSteps(machine, found), ...growth(machine, found)]
  return ordered.map((one) => waitForHolders(one, machine, others))
}

function powerSteps(
  machine: MachineDesired,
  found: ObservedMachine,
  state: Exclude<PowerState, 'absent'>,
  options: PlanOptions,
): VirtStep[] {
  if (found.held) return []
  const act = powerActs[machine.powerState][state]
  // Its disks are again what they were with this memory.
  if (machine.memoryFile !== undefined && state === 'stopped') {
    return actSteps(machine, 'restore-paused')
  }
  if (act === 'start' || act === 'start-paused') return restarts(machine, act, found)
  // Memory whose disk requests are stuck cannot be saved.
  if (act === 'save' && found.ioError) return actSteps(machine, 'resume')
  if (act !== 'shut-down') return actSteps(machine, act)
  const graceMs = machine.graceMs ?? options.graceMs
  if (graceMs === 0) return actSteps(machine, 'destroy')
  return [...shutdown(machine.name, found, graceMs), ...lateDestroy(machine.name, graceMs)]
}

/** A machine that went off by itself is started as its policy says, after a pause where it did so
 *  before; the lane itself tells when that is over. */
function restarts(
  machine: MachineDesired,
  act: 'start' | 'start-paused',
  { endedRun }: ObservedMachine,
): VirtStep[] {
  const rest = restOf(machine, endedRun)
  if (rest !== 'none' && rest !== 'pausing') return []
  const due = rest === 'pausing' ? [fact('vm', machine.name, 'due')] : []
  return actSteps(machine, act).map((one) => ({ ...one, requires: [...one.requires, ...due] }))
}

/** The steps of an act; `shut-down` looks at what the guest was asked before, so it has its own. */
function actSteps(machine: MachineDesired, act: PowerAct): VirtStep[] {
  const { name } = machine
  const ground = { requires: [...enforced(machine), ...served(machine)] }
  const memoryMs = machine.memoryMiB * SAVE_MS_PER_MIB
  switch (act) {
    case 'none':
    case 'wait':
    case 'shut-down':
      return []
    case 'start':
    case 'start-paused':
      return [start(machine, act === 'start-paused')]
    case 'restore':
    case 'restore-paused': {
      const restored = { ...start(machine, act === 'restore-paused'), verb: 'restore' as const }
      const summary = `start machine ${name} with its saved memory`
      return [
        {
          ...restored,
          summary,
          deadlineMs: DEADLINE_MS.restore + memoryMs,
          ...(machine.memoryFile !== undefined && { memoryFile: machine.memoryFile }),
        },
      ]
    }
    case 'resume':
      return [step('resume', name, `let machine ${name} go on`, ground)]
    case 'wake':
      return [step('wake', name, `wake machine ${name}`, { requires: enforced(machine) })]
    case 'pause':
      return [step('pause', name, `let machine ${name} stand still`)]
    case 'save': {
      const saved = step('save', name, `save the memory of machine ${name} and end it`, {
        requires: served(machine),
      })
      return [{ ...saved, deadlineMs: DEADLINE_MS.save + memoryMs }]
    }
    case 'discard':
      return [step('discard', name, `throw the saved memory of machine ${name} away`)]
    case 'destroy':
      return [step('destroy', name, `take the power of machine ${name} away`)]
  }
}

/** Asks the guest, unless it was asked with this very grace. */
function shutdown(name: string, { powerOff }: ObservedMachine, graceMs: number): VirtStep[] {
  if (powerOff?.graceMs === graceMs) return []
  const summary = `ask machine ${name} to power off within ${graceMs} ms`
  return [{ ...step('shutdown', name, summary), graceMs }]
}

/** Waits for the fact that the guest did not listen, which the lane itself tells. */
function lateDestroy(name: string, graceMs: number): VirtStep[] {
  const summary = `take the power of machine ${name} away, which does not power off within ${graceMs} ms`
  return [step('destroy', name, summary, { requires: [fact('vm', name, 'deaf')] })]
}

/** A running guest is told of volumes that are larger than it knows, once they are so large. */
function growth(machine: MachineDesired, found: ObservedMachine): VirtStep[] {
  if (found.state !== 'running' || machine.powerState !== 'running') return []
  return (machine.disks ?? []).flatMap((disk) => {
    if (!('volume' in disk) || disk.sizeBytes === undefined) return []
    // By vhost-user the daemon tells QEMU, and QEMU the guest.
    if (disk.attach === 'vhost-user') return []
    const { volume, sizeBytes } = disk
    const live = found.live?.disks.find((one) => one.volume === volume)
    if (live === undefined) return []
    const { target } = live
    const seen = found.diskBytes.get(target)
    if (seen === undefined || seen >= sizeBytes) return []
    const summary = `tell machine ${machine.name} that its disk ${target} has ${sizeBytes} bytes`
    const requires = [fact('volume', volume, sizeFact(sizeBytes))]
    const grown = step('grow', machine.name, summary, { requires })
    return [{ ...grown, disk: { target, sizeBytes } }]
  })
}

/** A running machine is changed as its spec is, as far as that can be done. What a guest was asked
 *  a moment ago it is not asked again. */
function changeSteps(machine: MachineDesired, found: ObservedMachine): VirtStep[] {
  const { live, asks, state, held } = found
  if (live === undefined || held || state !== 'running' || machine.powerState !== 'running') {
    return []
  }
  return liveDifference(machine, live).now.flatMap((change) => {
    const asked = asks.get(askKeyOf(change) ?? '')
    if (asked !== undefined && asked.agoMs < ASK_AGAIN_MS) return []
    return [changeStep(machine, change)]
  })
}

function changeStep(machine: MachineDesired, change: LiveChange): VirtStep {
  const { name } = machine
  const make = (verb: VirtVerb, summary: string, requires: readonly Fact[] = []): VirtStep => ({
    ...step(verb, name, summary, { requires }),
    change,
  })
  switch (change.kind) {
    case 'plug-disk': {
      const { disk } = change
      const what = 'volume' in disk ? disk.name : disk.target
      return make('plug', `give disk ${what} to machine ${name}`, served({ disks: [disk] }))
    }
    case 'plug-nic': {
      const { port } = change.nic
      const stands = [fact('nic', port, 'enforced'), fact('nic', port, 'plugged')]
      return make('plug', `give NIC ${port} to machine ${name}`, stands)
    }
    case 'unplug-disk':
      return make('unplug', `ask machine ${name} for its disk ${change.name}`)
    case 'unplug-nic':
      return make('unplug', `ask machine ${name} for its NIC ${change.name}`)
    case 'limit-disk':
      return make('tune', `limit disk ${change.target} of machine ${name}`)
    case 'add-cpus':
      return make('tune', `give ${change.count} processors to machine ${name}`)
    case 'remove-cpus':
      return make('tune', `ask machine ${name} for all but ${change.count} processors`)
    case 'request-memory': {
      const { requestedMiB } = change
      return make('tune', `have machine ${name} take ${requestedMiB} MiB beside its own`)
    }
    case 'balloon':
      return make('tune', `leave ${change.memoryMiB} MiB to machine ${name}`)
    case 'mark':
      return make('mark', `write down what machine ${name} runs with`)
  }
}

/** What another machine of the host still has, whose guest has not let go of it, is not given to
 *  this one. */
function waitForHolders(
  one: VirtStep,
  machine: MachineDesired,
  others: readonly ObservedMachine[],
): VirtStep {
  const { change } = one
  const starts = one.verb === 'start' || one.verb === 'restore'
  const disks = starts ? (machine.disks ?? []) : change?.kind === 'plug-disk' ? [change.disk] : []
  const sockets = disks.flatMap((disk) => ('volume' in disk ? [disk.socket] : []))
  const held = others.flatMap(({ name, live }) =>
    (live?.disks ?? [])
      .filter(({ socket }) => sockets.includes(socket))
      .map(({ socket }) => holdsFact(name, socket)),
  )
  return held.length === 0 ? one : { ...one, forbids: [...one.forbids, ...held] }
}

function define(
  machine: MachineDesired,
  verb: 'adopt' | 'define' | 'redefine',
  why: string,
): VirtStep {
  const { powerState: _power, generation: _generation, graceMs: _grace, ...rest } = machine
  const { restart: _restart, autostart: _autostart, ...spec } = rest
  return { ...step(verb, machine.name, `${verb} machine ${machine.name} (${why})`), spec }
}

function start(machine: MachineDesired, paused: boolean): VirtStep {
  const plugged = machine.nics.map((nic) => fact('nic', nic.port, 'plugged'))
  const begun = step('start', machine.name, `start machine ${machine.name}`, {
    requires: [...enforced(machine), ...plugged, ...served(machine)],
  })
  const { generation } = machine
  return paused
    ? { ...begun, generation, summary: `${begun.summary}, standing still`, paused }
    : { ...begun, generation }
}

function enforced(machine: MachineDesired): Fact[] {
  return machine.nics.map((nic) => fact('nic', nic.port, 'enforced'))
}

function served({ disks = [] }: Pick<MachineDesired, 'disks'>): Fact[] {
  return disks.flatMap((disk) => {
    if (!('volume' in disk)) return []
    const { volume, attach } = disk
    const offered = attach === 'vhost-user' ? [fact('volume', volume, 'vhost-user')] : []
    return [fact('volume', volume, 'served'), ...offered]
  })
}

function step(
  verb: VirtVerb,
  machine: string,
  summary: string,
  facts: { readonly requires?: readonly Fact[]; readonly forbids?: readonly Fact[] } = {},
): VirtStep {
  const { requires = [], forbids = [] } = facts
  const deadlineMs = DEADLINE_MS[verb]
  return { lane: 'virt', verb, machine, summary, requires, forbids, deadlineMs }
}
