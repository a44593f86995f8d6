import type { AddressFamily } from '@purlin/base'
import type { Manifest } from '@purlin/schema'
import type { PlainClient } from '../clients.ts'

/** One end of a cell: a machine's NIC, or a client outside of the policy. */
export interface Endpoint {
  readonly name: string
  readonly portGroup: string
  readonly ipv4?: string
  readonly ipv6?: string
  /** The NIC behind it; absent for a client. */
  readonly port?: Manifest<'Port'>
}

/** The image whose guests can ask and answer. */
export const PROBE_IMAGE = 'probe'

/** NICs that can be measured, and those that cannot with the reason. */
export interface GuestEndpoints {
  readonly measured: readonly Endpoint[]
  readonly left: readonly { readonly name: string; readonly why: string }[]
}

/** The measurable NICs of the machines. A machine's second NIC in one port group is left out: its
 *  kernel sends by the first, so an answer would not tell which NIC's rules it met. Pure. */
export function guestEndpoints(
  machines: readonly Manifest<'VirtualMachine'>[],
  ports: readonly Manifest<'Port'>[],
): GuestEndpoints {
  const measured: Endpoint[] = []
  const left: { name: string; why: string }[] = []
  for (const machine of machines) {
    const groups = new Set<string>()
    for (const nic of machine.spec.nics) {
      const name = machine.spec.nics.length === 1 ? machine.name : `${machine.name}/${nic.name}`
      const port = ports.find((each) => each.name === `${machine.name}.${nic.name}`)
      const why = reasonToLeave(machine, nic.portGroup, groups, port)
      groups.add(nic.portGroup)
      if (why !== undefined || port === undefined) {
        left.push({ name, why: why ?? 'has no port' })
        continue
      }
      measured.push({ name, portGroup: nic.portGroup, ...firstAddresses(port), port })
    }
  }
  return { measured, left }
}

/** The endpoint of a client. */
export function clientEndpoint({ name, portGroup, addresses }: PlainClient): Endpoint {
  const plain = (family: AddressFamily): Partial<Record<AddressFamily, string>> => {
    const address = addresses[family]?.split('/')[0]
    return address === undefined ? {} : { [family]: address }
  }
  return { name, portGroup, ...plain('ipv4'), ...plain('ipv6') }
}

function reasonToLeave(
  machine: Manifest<'VirtualMachine'>,
  portGroup: string,
  earlier: ReadonlySet<string>,
  port: Manifest<'Port'> | undefined,
): string | undefined {
  if (machine.spec.powerState !== 'running') return 'is stopped'
  if (machine.spec.image !== PROBE_IMAGE) return `image ${machine.spec.image} has no probe`
  if (earlier.has(portGroup)) return `is a second NIC in ${portGroup}`
  if (port === undefined) return 'has no port'
  if (port.spec.ipv4.length + port.spec.ipv6.length === 0) return 'has no address'
  return undefined
}

function firstAddresses({ spec }: Manifest<'Port'>): { ipv4?: string; ipv6?: string } {
  const [ipv4] = spec.ipv4
  const [ipv6] = spec.ipv6
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) }
}
