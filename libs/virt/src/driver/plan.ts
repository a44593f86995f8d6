import { type Fact, fact, sizeFact } from '@purlin/base'
import { differences } from '../domain/difference.ts'
import type {
  MachineDesired,
  ObservedMachine,
  VirtDesired,
  VirtObserved,
  VirtStep,
  VirtVerb,
} from './types.ts'

export interface PlanOptions {
  /** How long a guest may take to power off. */
  readonly graceMs: number
}

export const DEFAULT_PLAN_OPTIONS: PlanOptions = { graceMs: 20_000 }

/** Deadlines of the steps. A `stop` has its grace on top: it ends with `destroy` when the guest
 *  does not. */
const DEADLINE_MS: Readonly<Record<VirtVerb, number>> = {
  define: 15_000,
  redefine: 15_000,
  start: 60_000,
  resume: 15_000,
  wake: 15_000,
  grow: 15_000,
  stop: 30_000,
  destroy: 30_000,
  undefine: 15_000,
}

/** The steps from what is to what should be, in order: first what leaves, then what comes. Pure;
 *  empty when nothing differs. A running machine is never restarted for a change of its spec: it is
 *  redefined, and `status` says that a restart is pending. A machine whose name a foreign domain
 *  has gets its
 *  `define` step, which fails with PUR_VIRT_NAME_TAKEN and touches nothing. */
export function planVirt(
  desired: VirtDesired,
  observed: VirtObserved,
  options: PlanOptions = DEFAULT_PLAN_OPTIONS,
): readonly VirtStep[] {
  const wanted = new Map(desired.machines.map((machine) => [machine.name, machine]))
  const found = new Map(observed.machines.map((machine) => [machine.name, machine]))
  const leaving = observed.machines.filter(
    (machine) => wanted.get(machine.name)?.uuid !== machine.uuid,
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
    const taken = observed.foreign.some((domain) => domain.name === machine.name)
    const running = machine.powerState === 'running' && !taken
    return [define(machine, 'define', 'new'), ...(running ? [start(machine)] : [])]
  }
  const steps: VirtStep[] = []
  const changed = differences(machine, found.defined)
  if (changed.length > 0) steps.push(define(machine, 'redefine', changed.join(', ')))
  else if (!found.persistent) steps.push(define(machine, 'redefine', 'its definition is gone'))
  const power = powerStep(machine, found, options)
  return [...steps, ...(power === undefined ? [] : [power]), ...growth(machine, found)]
}

function powerStep(
  machine: MachineDesired,
  found: ObservedMachine,
  options: PlanOptions,
): VirtStep | undefined {
  const { name } = machine
  if (machine.powerState === 'stopped') {
    if (!found.active) return undefined
    return {
      ...step('stop', name, `power machine ${name} off, by force after ${options.graceMs} ms`),
      graceMs: options.graceMs,
      deadlineMs: options.graceMs + DEADLINE_MS.stop,
    }
  }
  if (!found.active) return start(machine)
  if (found.state === 'paused') {
    const requires = [...enforced(machine), ...served(machine)]
    return step('resume', name, `let machine ${name} go on`, { requires })
  }
  if (found.state === 'sleeping') {
    return step('wake', name, `wake machine ${name}`, { requires: enforced(machine) })
  }
  // A crashed guest whose domain was kept must leave before it can start anew.
  if (found.state === 'crashed') return step('destroy', name, `clear the crashed machine ${name}`)
  return undefined
}

/** A running guest is told of volumes that are larger than it knows, once they are so large. */
function growth(machine: MachineDesired, found: ObservedMachine): VirtStep[] {
  if (found.state !== 'running' || machine.powerState !== 'running') return []
  return (machine.disks ?? []).flatMap((disk) => {
    if (!('volume' in disk) || disk.sizeBytes === undefined) return []
    // By vhost-user the daemon tells QEMU, and QEMU the guest.
    if (disk.attach === 'vhost-user') return []
    const { target, volume, sizeBytes } = disk
    const live = found.live?.disks.find((one) => one.target === target)
    const seen = found.diskBytes.get(target)
    if (live?.volume !== volume || seen === undefined || seen >= sizeBytes) return []
    const summary = `tell machine ${machine.name} that its disk ${target} has ${sizeBytes} bytes`
    const requires = [fact('volume', volume, sizeFact(sizeBytes))]
    const grown = step('grow', machine.name, summary, { requires })
    return [{ ...grown, disk: { target, sizeBytes } }]
  })
}

function define(machine: MachineDesired, verb: 'define' | 'redefine', why: string): VirtStep {
  const { powerState: _power, generation: _generation, ...spec } = machine
  return { ...step(verb, machine.name, `${verb} machine ${machine.name} (${why})`), spec }
}

function start(machine: MachineDesired): VirtStep {
  const plugged = machine.nics.map((nic) => fact('nic', nic.port, 'plugged'))
  return step('start', machine.name, `start machine ${machine.name}`, {
    requires: [...enforced(machine), ...plugged, ...served(machine)],
  })
}

function enforced(machine: MachineDesired): Fact[] {
  return machine.nics.map((nic) => fact('nic', nic.port, 'enforced'))
}

function served({ disks = [] }: MachineDesired): Fact[] {
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
