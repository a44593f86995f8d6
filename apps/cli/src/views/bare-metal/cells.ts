import type { Resource } from '@purlin/schema'
import { sizeText } from '../../output/byte-progress.ts'
import type { Cell } from '../../output/table.ts'
import { timeText } from '../../output/words.ts'
import { stateCell } from './life.ts'

/** The columns of a kind of bare metal, by their headings; none for other kinds. Pure. */
export function bareMetalCells(resource: Resource): Readonly<Record<string, Cell>> {
  switch (resource.kind) {
    case 'Chassis':
      return chassisCells(resource)
    case 'BareMetalInstance':
      return instanceCells(resource)
    case 'InstallMedia':
      return {
        FAMILY: `${resource.spec.family} ${resource.spec.version}`,
        SIZE: contentSize(resource),
        CONTENT: contentCell(resource),
        KERNEL: resource.status.tree?.kernel ?? '',
      }
    case 'Image':
      return {
        FAMILY: `${resource.spec.family} ${resource.spec.version}`,
        SIZE: contentSize(resource),
        CONTENT: contentCell(resource),
      }
    case 'DeploymentTemplate': {
      const { disks, users, packages } = resource.spec
      return {
        DISKS: String(disks.length),
        USERS: users.map(({ name }) => name).join(', '),
        PACKAGES: String(packages.length),
      }
    }
    case 'DeploymentNetwork': {
      const { interface: nic, subnet } = resource.spec
      const { enrolUntilMs, unknown = [] } = resource.status
      return {
        INTERFACE: nic,
        SUBNET: subnet.cidr,
        ENROLS: enrolUntilMs === undefined ? 'closed' : `until ${timeText(enrolUntilMs)}`,
        UNKNOWN: String(unknown.length),
      }
    }
    case 'ManagementNetwork':
    case 'IpmiNetwork':
      return { SUBNET: resource.spec.cidr, INTERFACE: resource.spec.interface ?? '' }
    case 'Secret':
      return { USER: resource.spec.username ?? '' }
    default:
      return {}
  }
}

function chassisCells({ spec, status }: Resource<'Chassis'>): Readonly<Record<string, Cell>> {
  const { life, power = 'unknown', address, report, bmc } = status
  const { protocol, address: place, port } = spec.bmc
  const reached: Cell = `${protocol} ${place}${port === undefined ? '' : `:${port}`}`
  const machine = [report?.manufacturer, report?.product].filter((word) => word !== undefined)
  return {
    STATE: stateCell(life),
    POWER: power,
    BMC: bmc?.reachable === false ? { text: `${reached} (silent)`, tone: 'bad' } : reached,
    ADDRESS: address ?? spec.address ?? '',
    INSTANCE: life?.instance ?? '',
    MACHINE: machine.join(' '),
  }
}

function instanceCells({
  spec,
  status,
}: Resource<'BareMetalInstance'>): Readonly<Record<string, Cell>> {
  const { state, addresses = [], failure } = status
  const tone = state === 'failed' ? 'bad' : state === 'active' ? 'good' : undefined
  return {
    CHASSIS: spec.chassis,
    TEMPLATE: spec.template,
    SOURCE: 'media' in spec.source ? `media ${spec.source.media}` : `image ${spec.source.image}`,
    STATE: { text: failure ? `${state} (${failure.state})` : (state ?? ''), tone },
    ADDRESSES: addresses.join(', '),
  }
}

type WithContent = Resource<'InstallMedia'> | Resource<'Image'>

function contentSize({ status }: WithContent): string {
  const { sizeBytes } = status.content ?? {}
  return sizeBytes === undefined ? '' : sizeText(sizeBytes)
}

/** How far the file is: a share while it comes, the cause where it failed. */
function contentCell({ status }: WithContent): Cell {
  const { state = 'absent', bytes = 0, sizeBytes, cause } = status.content ?? {}
  if (state === 'ready') return { text: 'ready', tone: 'good' }
  if (state === 'failed') return { text: `failed: ${cause?.code ?? 'no cause'}`, tone: 'bad' }
  if (state === 'absent' && bytes === 0) return { text: 'waits for an upload', tone: 'careful' }
  const share = sizeBytes === undefined || sizeBytes === 0 ? 0 : bytes / sizeBytes
  return { text: `${state} ${Math.floor(share * 100)} %`, tone: 'careful' }
}
