import { fact, type LaneStep } from '@purlin/base'
import type { MachineDesired, VirtDesired, VirtObserved, VirtStep } from '@purlin/virt'
import type { SeenLease } from './machine-leases.ts'

/** A step of the virt lane, or one about a lease. `claim`: the machine runs here already.
 *  `surrender`: it runs here, and another host took its lease. `release`: it does not run here any
 *  more. */
export type LeasedStep = Omit<VirtStep, 'verb'> & {
  readonly verb: VirtStep['verb'] | 'claim' | 'surrender' | 'release'
  /** UUID of the domain; of steps that take a lease. */
  readonly uuid?: string
}

/** A lease is a small write; ending a domain takes a little longer. */
const LEASE_DEADLINE_MS = 15_000
const SURRENDER_DEADLINE_MS = 30_000

/** Puts what is to be done about leases into the steps of the virt lane. What runs without a right
 *  ends first and gets no other step; what starts waits while another host has its lease; what has
 *  left is released last. Pure. */
export function planLeases(
  desired: VirtDesired,
  observed: VirtObserved,
  leases: ReadonlyMap<string, SeenLease> | undefined,
  steps: readonly VirtStep[],
): readonly LeasedStep[] {
  const wanted = new Map(desired.machines.map((machine) => [machine.name, machine]))
  const first = leases === undefined ? [] : rights(wanted, observed, leases)
  const ending = new Set(
    first.filter(({ verb }) => verb === 'surrender').map(({ machine }) => machine),
  )
  const rest = steps
    .filter(({ machine }) => !ending.has(machine))
    .map((step) => leasedStart(step, wanted.get(step.machine), leases?.get(step.machine)))
  const last = leases === undefined ? [] : releases(wanted, observed, leases)
  return [...first, ...rest, ...last]
}

/** What runs here and is wanted here: under a lease of this host, or it gets one, or it ends. */
function rights(
  wanted: ReadonlyMap<string, MachineDesired>,
  observed: VirtObserved,
  leases: ReadonlyMap<string, SeenLease>,
): LeasedStep[] {
  return observed.machines.flatMap(({ name, uuid, active }) => {
    const lease = leases.get(name)
    if (!active || wanted.get(name)?.uuid !== uuid || lease?.standing === 'ours') return []
    if (lease?.isLost !== true) {
      const summary = `take the lease of machine ${name}, which runs here`
      return [{ ...leaseStep('claim', name, summary), uuid }]
    }
    const summary = `end machine ${name}, which ${lease.host ?? 'another host'} took since it began`
    const step = leaseStep('surrender', name, summary)
    return [{ ...step, uuid, deadlineMs: SURRENDER_DEADLINE_MS }]
  })
}

/** A start whose lease another host has waits for a fact that nobody tells: once the lease has
 *  changed, it is planned without. */
function leasedStart(
  step: VirtStep,
  machine: MachineDesired | undefined,
  lease: SeenLease | undefined,
): LeasedStep {
  if (step.verb !== 'start' && step.verb !== 'restore') return step
  const uuid = machine?.uuid ?? ''
  if (lease?.standing !== 'elsewhere') return { ...step, uuid }
  const summary = `${step.summary}, once ${lease.host} has let its lease go`
  return { ...step, uuid, summary, requires: [...step.requires, fact('vm', step.machine, 'lease')] }
}

/** A lease goes where its machine has left the host, or is stopped here and meant to be. */
function releases(
  wanted: ReadonlyMap<string, MachineDesired>,
  observed: VirtObserved,
  leases: ReadonlyMap<string, SeenLease>,
): LeasedStep[] {
  return [...leases].flatMap(([name, { standing, isStarting }]) => {
    if (standing !== 'ours') return []
    const found = observed.machines.find((machine) => machine.name === name)
    const rests =
      wanted.get(name)?.powerState === 'stopped' && found?.state === 'stopped' && !isStarting
    if (!rests && (found !== undefined || wanted.has(name))) return []
    return [leaseStep('release', name, `let the lease of machine ${name} go`)]
  })
}

function leaseStep(verb: LeasedStep['verb'], machine: string, summary: string): LeasedStep {
  const facts: Pick<LaneStep, 'requires' | 'forbids'> = { requires: [], forbids: [] }
  return { lane: 'virt', verb, machine, summary, ...facts, deadlineMs: LEASE_DEADLINE_MS }
}
