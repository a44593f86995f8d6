import { PurlinError } from '@purlin/base'
import {
  DEFAULT_GRACE_SECONDS,
  type MachinePower,
  type MachineVerb,
  machineVerbs,
  type SpecOf,
  type Task,
} from '@purlin/schema'
import type { CatalogueFollower, Changes, Once, OnceRequest, StoredRecord } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Presence } from '../fleet/presence.ts'
import type { FleetState } from '../status/fleet-state.ts'
import type { MachineView } from '../status/host-view.ts'
import type { MachineActs } from './acts.ts'

export interface MachineGrounds {
  readonly catalogue: CatalogueFollower
  readonly changes: Changes
  /** What is observed on all hosts. */
  readonly fleet: FleetState
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
  readonly acts: MachineActs
}

type Spec = SpecOf<'VirtualMachine'>

/** The calls about the power of a machine. */
export function machineHandlers(
  grounds: MachineGrounds,
  once: Once,
): Pick<
  OperationHandlers,
  | 'startMachine'
  | 'stopMachine'
  | 'destroyMachine'
  | 'pauseMachine'
  | 'resumeMachine'
  | 'suspendMachine'
  | 'rebootMachine'
  | 'resetMachine'
  | 'listForeignMachines'
> {
  const { acts } = grounds
  return {
    listForeignMachines: async () => {
      const foreign = grounds.fleet.viewOf().foreign ?? []
      return { items: foreign.map(({ state: powerState, ...one }) => ({ ...one, powerState })) }
    },
    startMachine: (call) =>
      once(call, async (request) => {
        const machine = machineOf(grounds, nameOf(call))
        // One that went off by itself is wanted running already, and rests.
        if (sightOf(grounds, machine)?.rest !== undefined) {
          return await acts.ask('start-again', machine, 0, request)
        }
        return await want(grounds, 'start', nameOf(call), { powerState: 'running' }, request)
      }),
    stopMachine: (call) => {
      const { graceSeconds } = call.query
      const wanted = {
        powerState: 'stopped',
        ...(graceSeconds !== undefined && { stopGraceSeconds: graceSeconds }),
      } as const
      return once(call, (request) => want(grounds, 'stop', nameOf(call), wanted, request))
    },
    destroyMachine: (call) =>
      once(call, async (request) => {
        const name = nameOf(call)
        const task = await want(grounds, 'destroy', name, { powerState: 'stopped' }, request)
        await acts.hurry(task, machineOf(grounds, name))
        return task
      }),
    pauseMachine: (call) =>
      once(call, (request) =>
        want(grounds, 'pause', nameOf(call), { powerState: 'paused' }, request),
      ),
    resumeMachine: (call) =>
      once(call, (request) =>
        want(grounds, 'resume', nameOf(call), { powerState: 'running' }, request),
      ),
    suspendMachine: (call) =>
      once(call, (request) =>
        want(grounds, 'suspend', nameOf(call), { powerState: 'suspended' }, request),
      ),
    rebootMachine: (call) =>
      once(call, async (request) => {
        const machine = machineOf(grounds, nameOf(call))
        assertPossible(grounds, 'reboot', machine)
        const { stopGraceSeconds = DEFAULT_GRACE_SECONDS } = machine.manifest.spec
        const graceMs = (call.query.graceSeconds ?? stopGraceSeconds) * 1_000
        return await acts.ask('reboot', machine, graceMs, request)
      }),
    resetMachine: (call) =>
      once(call, async (request) => {
        const machine = machineOf(grounds, nameOf(call))
        assertPossible(grounds, 'reset', machine)
        return await acts.ask('reset', machine, 0, request)
      }),
  }
}

/** Wants a machine in another power state. Errors: PUR_RESOURCE_MISSING, PUR_VIRT_POWER, and those
 *  of `Changes.modify`. */
async function want(
  grounds: MachineGrounds,
  verb: MachineVerb,
  name: string,
  change: Partial<Spec> & Pick<Spec, 'powerState'>,
  request?: OnceRequest,
): Promise<Task> {
  const { powerState } = machineOf(grounds, name).manifest.spec
  // What is wanted already may be asked for again.
  if (powerState !== change.powerState) assertPossible(grounds, verb, machineOf(grounds, name))
  const edit = (spec: Spec): Spec => ({ ...spec, ...change })
  return await grounds.changes.modify(verb, { kind: 'VirtualMachine', name }, edit, request)
}

/** To want a machine running or stopped makes sense in any state; the other verbs rest on what the
 *  machine does now. */
const ANY_TIME: ReadonlySet<MachineVerb> = new Set(['start', 'stop', 'destroy'])

/** Errors: PUR_VIRT_POWER, and PUR_VIRT_UNREACHABLE where its host is away or has not looked. */
function assertPossible(
  grounds: MachineGrounds,
  verb: MachineVerb,
  machine: StoredRecord<'VirtualMachine'>,
): void {
  if (ANY_TIME.has(verb)) return
  const { presence } = grounds
  const { name, spec } = machine.manifest
  if (spec.host !== undefined && presence?.isPresent(spec.host) === false) {
    const message = `${verb} of machine ${name}: its host ${spec.host} is away`
    throw new PurlinError('PUR_VIRT_UNREACHABLE', { message })
  }
  const sight = sightOf(grounds, machine)
  const { virt } = grounds.fleet.viewOf(machine).lanes
  if (sight === undefined && virt.passedRevision < machine.revision) {
    const message = `${verb} of machine ${name}: its host has not looked at it yet; ask again in a moment`
    throw new PurlinError('PUR_VIRT_UNREACHABLE', { message })
  }
  const seen: MachinePower = sight?.state ?? 'absent'
  if (machineVerbs.allows(seen, verb)) return
  const possible = machineVerbs.events.filter((one) => machineVerbs.allows(seen, one)).join(', ')
  throw new PurlinError('PUR_VIRT_POWER', {
    message: `${verb} of machine ${name}: it is ${seen}; possible now: ${possible || 'nothing'}`,
    context: { machine: name, powerState: seen },
  })
}

/** How the machine's host sees it; undefined: not yet. */
function sightOf(
  { fleet }: MachineGrounds,
  machine: StoredRecord<'VirtualMachine'>,
): MachineView | undefined {
  return fleet.viewOf(machine).machines.get(machine.manifest.name)
}

function machineOf({ catalogue }: MachineGrounds, name: string): StoredRecord<'VirtualMachine'> {
  const record = catalogue.current().get('VirtualMachine', name)
  if (record !== undefined) return record
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no VirtualMachine named ${name}` })
}

function nameOf({ params }: { readonly params: Readonly<Record<string, string>> }): string {
  return params.name ?? ''
}
