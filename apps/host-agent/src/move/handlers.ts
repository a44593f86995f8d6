import { PurlinError } from '@purlin/base'
import type { FabricMatrix, PortMove, PortMoveAnswer } from '@purlin/schema'
import type { Catalogue, StoredRecord } from '@purlin/service'
import { deadReason, portMoves } from '@purlin/vswitch'
import type { OperationHandlers } from '../api/handlers.ts'
import { everyNic } from '../desired/local-nics.ts'
import { pathOf } from '../desired/port-traffic.ts'
import type { Presence } from '../fleet/presence.ts'
import { TAKE_UP_MS } from './arrivals.ts'
import type { Fabric } from './fabric.ts'
import { pickUp } from './luggage.ts'
import { moveWrites, portsOfMachine, type RecordGrounds, writeOnto } from './records.ts'

const ATTEMPTS = 25

export interface PortMoveGrounds extends RecordGrounds {
  readonly fabric: Fabric
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
}

/** Ports of a machine, with the host where they are. */
interface Place {
  readonly machine: string
  readonly host: string
  readonly ports: readonly StoredRecord<'Port'>[]
}

/** The calls about ports that move, and about what is between the hosts. */
export function portMoveHandlers(
  grounds: PortMoveGrounds,
): Pick<OperationHandlers, 'movePort' | 'cancelPortMove' | 'probeSwitch'> {
  return {
    probeSwitch: ({ params }) => grounds.fabric.probe(params.name ?? ''),
    movePort: async ({ params, body }) => {
      const name = params.name ?? ''
      const { host: to, force, waitSeconds } = body
      assertThere(grounds, name, to)
      const { catalogue, clock } = grounds
      if (!force) await assertReached(grounds, placeOf(catalogue.current(), name), to)
      return await changed(grounds, name, (place) => {
        const standing = moveOf(place)
        if (standing !== undefined) {
          throw refused(`port ${name} is on its way to ${standing.to} already`)
        }
        if (place.host === to) throw refused(`port ${name} is on ${to} already`)
        const untilMs = Math.round(clock.nowMs() + waitSeconds * 1_000)
        return { from: place.host, to, phase: 'preparing', untilMs }
      })
    },
    cancelPortMove: async ({ params }) => {
      const name = params.name ?? ''
      return await changed(grounds, name, (place) => {
        const standing = moveOf(place)
        if (standing === undefined) throw refused(`port ${name} is not on its way anywhere`)
        if (portMoves.allows(standing.phase, 'cancel')) return undefined
        throw refused(
          `the machine of port ${name} has left ${standing.from}: let the move to ${standing.to} end, then move it back`,
        )
      })
    },
  }
}

function assertThere({ presence, host }: PortMoveGrounds, name: string, to: string): void {
  if (presence === undefined) {
    throw refused(`port ${name} cannot move: host ${host} is in no fleet`)
  }
  if (!presence.names().includes(to)) {
    const message = `no host named ${to}; there is: ${presence.names().join(', ')}`
    throw new PurlinError('PUR_RESOURCE_MISSING', { message })
  }
  if (!presence.isPresent(to)) throw refused(`port ${name} cannot move: host ${to} is away`)
}

/** Errors: PUR_FABRIC_DEAD with the reason. */
async function assertReached(grounds: PortMoveGrounds, place: Place, to: string): Promise<void> {
  const { fabric, catalogue } = grounds
  const matrices = new Map<string, FabricMatrix>()
  for (const { manifest } of place.ports) {
    const { portGroup } = manifest.spec
    const group = catalogue.current().get('PortGroup', portGroup)?.manifest.spec
    if (group === undefined || place.host === to) continue
    const matrix = matrices.get(group.switch) ?? (await fabric.probe(group.switch))
    matrices.set(group.switch, matrix)
    const absent = matrix.absent.find(({ host }) => host === to || host === place.host)
    const reason = absent
      ? `${absent.host} took no part in the probe: ${absent.reason}`
      : [group.vlan, ...(group.trunk ?? [])]
          .map((vlan) => deadReason(matrix.paths, { vlan, from: place.host, to }))
          .find((found) => found !== undefined)
    if (reason === undefined) continue
    throw new PurlinError('PUR_FABRIC_DEAD', {
      message: `port ${manifest.name} does not move to ${to}, where its port group ${portGroup} is dead: ${reason}; mend the network (purlin switch probe ${group.switch}), or move it with --force`,
      context: { portGroup, host: to, reason },
    })
  }
}

/** Gives the ports of a machine another move, as it follows from how they stand when it is
 *  written. */
async function changed(
  grounds: PortMoveGrounds,
  name: string,
  next: (place: Place) => PortMove | undefined,
): Promise<PortMoveAnswer> {
  const { catalogue, store } = grounds
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const from = catalogue.current()
    const place = placeOf(from, name)
    const move = next(place)
    const away = await Promise.all(
      place.ports.map(async ({ manifest }) => (await pickUp(store, manifest.name)).away),
    )
    if (!(await writeOnto(grounds, from, [...moveWrites(place.ports, move), ...away.flat()]))) {
      await grounds.clock.sleep(attempt)
      continue
    }
    const warnings = move === undefined ? [] : directWarnings(from, place)
    return {
      virtualMachine: place.machine,
      ports: place.ports.map(({ manifest }) => manifest.name),
      ...(move && { move }),
      ...(warnings.length > 0 && { warnings }),
    }
  }
  const message = `port ${name}: other changes were always first; ask again`
  throw new PurlinError('PUR_STORE_CONFLICT', { message })
}

function placeOf(catalogue: Catalogue, name: string): Place {
  const port = catalogue.get('Port', name)
  if (port === undefined) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no Port named ${name}` })
  }
  const machine = port.manifest.spec.virtualMachine
  const host = catalogue.get('VirtualMachine', machine)?.manifest.spec.host
  if (host === undefined) throw refused(`machine ${machine} of port ${name} names no host`)
  return { machine, host, ports: portsOfMachine(catalogue, machine) }
}

/** What becomes of connections that no host can hand over. Pure. */
function directWarnings(catalogue: Catalogue, { ports }: Place): string[] {
  const names = new Set(ports.map(({ manifest }) => manifest.name))
  return everyNic(catalogue).flatMap((local) => {
    const { name } = local.port
    if (!names.has(name) || pathOf(local, catalogue) !== 'direct') return []
    const seconds = TAKE_UP_MS / 1_000
    return `port ${name} is direct: from Open vSwitch’s userspace datapath its connections cannot be carried. TCP that its groups allow goes on when it speaks within ${seconds} s of the machine’s coming; what is silent for longer, and all other protocols, begin anew`
  })
}

function moveOf({ ports }: Place): PortMove | undefined {
  return ports.map(({ manifest }) => manifest.spec.move).find((move) => move !== undefined)
}

function refused(message: string): PurlinError {
  return new PurlinError('PUR_PORT_MOVE', { message })
}
