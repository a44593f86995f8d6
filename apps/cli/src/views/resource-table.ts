import type { Kind, Resource } from '@purlin/schema'
import { sizeText } from '../output/byte-progress.ts'
import type { Cell, Table } from '../output/table.ts'
import { ageText, readyCell, timeText } from '../output/words.ts'
import { bareMetalCells } from './bare-metal/cells.ts'
import { poolStatus } from './pool-health.ts'
import type { Surroundings } from './surroundings.ts'

const NOTHING: Surroundings = { ports: [], machines: [] }

/** The table of resources of one kind: the columns a person asks for, whether it is ready, its age.
 *  Pure. */
export function resourceTable(
  kind: Kind,
  resources: readonly Resource[],
  around: Surroundings = NOTHING,
  nowMs: number,
): Table {
  const rows = resources.map((resource) => [
    resource.name,
    ...Object.values(ownCells(resource, around)),
    readyCell(resource),
    ageText(nowMs - resource.createdAtMs),
  ])
  const [first] = resources
  const own = first === undefined ? [] : Object.keys(ownCells(first, around))
  return { columns: ['NAME', ...own, 'READY', 'AGE'], rows, empty: `no ${kind}` }
}

/** The columns of a kind's own, by their headings. */
function ownCells(resource: Resource, around: Surroundings): Readonly<Record<string, Cell>> {
  switch (resource.kind) {
    case 'VirtualMachine':
      return machineCells(resource, around.ports)
    case 'PortGroup':
      return {
        SWITCH: resource.spec.switch,
        VLAN: resource.spec.vlan === 0 ? 'untagged' : String(resource.spec.vlan),
        SUBNETS: resource.spec.subnets.map(({ cidr }) => cidr).join(', '),
      }
    case 'SecurityGroup':
      return {
        INBOUND: ruleCount(resource.spec.inbound),
        OUTBOUND: ruleCount(resource.spec.outbound),
        MEMBERS: String(membersOf(resource.name, around.machines).length),
      }
    case 'Port':
      return {
        MACHINE: resource.spec.virtualMachine,
        MAC: resource.spec.mac,
        ADDRESSES: [...resource.spec.ipv4, ...resource.spec.ipv6].join(', '),
        ENFORCED: enforcedCell(resource),
      }
    case 'DistributedSwitch':
      return { MTU: String(resource.spec.mtu), UPLINKS: resource.spec.uplinks.join(', ') }
    case 'Host':
      return {
        ADDRESSES: resource.spec.addresses.join(', '),
        LISTEN: resource.spec.listen ?? '',
        VERSION: resource.spec.version,
        SEEN: timeText(Number(resource.status.lastSeenMs ?? 0)),
      }
    case 'StoragePool':
      return poolCells(resource)
    case 'Volume':
      return {
        POOL: resource.spec.pool,
        SIZE: seenSize(resource),
        SOURCE: resource.spec.source?.snapshot ?? '',
        CLIENTS: String(resource.status.clients ?? ''),
      }
    case 'Snapshot':
      return { VOLUME: resource.spec.volume, SIZE: seenSize(resource), TAKEN: takenText(resource) }
    case 'MachineSnapshot':
      return snapshotCells(resource)
    default:
      return bareMetalCells(resource)
  }
}

function snapshotCells({ spec }: Resource<'MachineSnapshot'>): Readonly<Record<string, Cell>> {
  const { virtualMachine, takenAtMs, memoryBytes, frozen, disks } = spec
  return {
    MACHINE: virtualMachine,
    TAKEN: takenAtMs === undefined ? spec.phase : timeText(takenAtMs),
    DISKS: disks.map(({ name }) => name).join(', '),
    MEMORY: memoryBytes === undefined ? '' : sizeText(memoryBytes),
    FROZEN: frozen === true ? 'yes' : '',
  }
}

function poolCells(pool: Resource<'StoragePool'>): Readonly<Record<string, Cell>> {
  const { policy, usedBytes, sizeBytes, disks } = poolStatus(pool)
  return {
    POLICY: policy ?? '',
    DISKS: String(disks?.length ?? pool.spec.disks.length),
    USED: usedBytes === undefined ? '' : sizeText(usedBytes),
    SIZE: sizeBytes === undefined ? '' : sizeText(sizeBytes),
  }
}

function seenSize({ status }: Resource): string {
  return status.sizeBytes === undefined ? '' : sizeText(Number(status.sizeBytes))
}

function takenText({ status }: Resource): string {
  return status.takenAtMs === undefined ? '' : timeText(Number(status.takenAtMs))
}

function machineCells(
  { name, spec, status }: Resource<'VirtualMachine'>,
  ports: readonly Resource<'Port'>[],
): Readonly<Record<string, Cell>> {
  const own = ports.filter((port) => port.spec.virtualMachine === name)
  const observed = status.powerState
  const state = typeof observed === 'string' ? observed : 'unknown'
  return {
    POWER: {
      text: state === spec.powerState ? state : `${state} (wanted ${spec.powerState})`,
      tone: state === spec.powerState ? 'good' : 'careful',
    },
    ADDRESSES: own.flatMap((port) => [...port.spec.ipv4, ...port.spec.ipv6]).join(', '),
  }
}

/** NICs that name the group, as `MACHINE/NIC`. Pure. */
export function membersOf(
  group: string,
  machines: readonly Resource<'VirtualMachine'>[],
): readonly string[] {
  return machines.flatMap(({ name, spec }) =>
    spec.nics
      .filter(({ securityGroups }) => securityGroups.includes(group))
      .map((nic) => `${name}/${nic.name}`),
  )
}

function ruleCount(rules: readonly { readonly enabled: boolean }[]): string {
  const off = rules.filter(({ enabled }) => !enabled).length
  return off === 0 ? String(rules.length) : `${rules.length} (${off} off)`
}

/** A port is ready when its rules are in force and it stands on the switch. */
function enforcedCell(port: Resource<'Port'>): Cell {
  const cell = readyCell(port)
  const notPlugged = typeof cell !== 'string' && cell.text === 'NotPlugged'
  return notPlugged ? { text: 'yes', tone: 'good' } : cell
}
