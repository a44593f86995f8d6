import { parseAddress } from '@purlin/base'
import { z } from 'zod'
import { cidr, ipAddress, portSpan } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'
import { portName } from './port.ts'

const staticRoute = z
  .strictObject({
    to: cidr,
    via: ipAddress.meta({
      description: 'Next hop, in a subnet of a joined port group or of the external one.',
    }),
  })
  .refine(({ to, via }) => to.includes(':') === via.includes(':'), {
    path: ['via'],
    message: 'must be of the family of the network it leads to',
  })

/** Where a router meets the world outside. */
const external = z
  .strictObject({
    portGroup: resourceName.meta({
      description: 'Its subnets are those of the next hops and of every external address.',
    }),
    nextHops: z.array(ipAddress).max(2).default([]).meta({
      description: 'Where what no other route takes goes: one for each family.',
    }),
    hosts: z
      .array(
        z.strictObject({
          host: resourceName,
          addresses: z.array(ipAddress).min(1).max(2).meta({ description: 'One for each family.' }),
        }),
      )
      .max(1024)
      .default([])
      .meta({
        description:
          'Each host’s own external addresses: what machines of that host send goes out under them. A host that is not listed sends nothing out but by floating addresses.',
      }),
    snat: z.boolean().default(true).meta({
      description:
        'Machines go out under their host’s address, and nobody outside begins a flow but by port forwards and floating addresses; false: addresses pass as they are.',
    }),
  })
  .meta({ id: 'RouterExternal' })

const portForward = z.strictObject({
  address: ipAddress.meta({ description: 'External address; several forwards may share it.' }),
  protocol: z.enum(['tcp', 'udp']),
  ports: portSpan,
  to: portName.meta({ description: 'The NIC, as `web-1.eth0`.' }),
  toPort: z.number().int().min(1).max(65_535).optional().meta({
    description: 'Port at the machine, of a single port; absent: the same.',
  }),
})
export type PortForward = z.infer<typeof portForward>

const floatingAddress = z.strictObject({
  address: ipAddress.meta({ description: 'External address, answered where the machine runs.' }),
  to: portName.meta({ description: 'The NIC, as `web-1.eth0`.' }),
})
export type FloatingAddress = z.infer<typeof floatingAddress>

/** Joins port groups and, where it has an external side, leads out. Every host that has a machine
 *  in one of them routes for its own machines. */
export const routerSpec = z
  .strictObject({
    portGroups: z.array(resourceName).min(1).max(64).meta({
      description: 'Their subnets reach each other by the gateway of each.',
    }),
    routes: z.array(staticRoute).max(256).default([]),
    external: external.optional(),
    portForwards: z.array(portForward).max(1024).default([]),
    floatingAddresses: z.array(floatingAddress).max(1024).default([]),
  })
  .superRefine((spec, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message })
    refuseRepeats(spec.portGroups, (index) => issue(['portGroups', index], 'is listed twice'))
    if (spec.external === undefined) {
      for (const list of ['portForwards', 'floatingAddresses'] as const) {
        if (spec[list].length > 0) issue([list], 'needs an external side')
      }
      return
    }
    const { hosts, nextHops, portGroup } = spec.external
    if (spec.portGroups.includes(portGroup)) {
      issue(['external', 'portGroup'], 'is joined already; the outside is another port group')
    }
    refuseRepeats(nextHops.map(familyOf), (index) =>
      issue(['external', 'nextHops', index], 'is the second of its family'),
    )
    refuseRepeats(
      hosts.map(({ host }) => host),
      (index) => issue(['external', 'hosts', index, 'host'], 'is listed twice'),
    )
    hosts.forEach(({ addresses }, at) => {
      refuseRepeats(addresses.map(familyOf), (index) =>
        issue(['external', 'hosts', at, 'addresses', index], 'is the second of its family'),
      )
    })
    const taken = new Map<string, string>()
    for (const { address, owner, path } of claimsOf(spec)) {
      const before = taken.get(canonical(address))
      if (before !== undefined && before !== owner) issue(path, `is taken by ${before}`)
      taken.set(canonical(address), owner)
    }
    checkForwards(spec.portForwards, issue)
  })
  .meta({ id: 'RouterSpec' })
export type RouterSpec = z.infer<typeof routerSpec>

export const router = manifestOf('Router', routerSpec)

interface Claim {
  readonly address: string
  readonly owner: string
  readonly path: (string | number)[]
}

/** Every external address with what it is for. */
function claimsOf(spec: {
  readonly external?: z.output<typeof external> | undefined
  readonly portForwards: readonly PortForward[]
  readonly floatingAddresses: readonly FloatingAddress[]
}): readonly Claim[] {
  const { nextHops = [], hosts = [] } = spec.external ?? {}
  return [
    ...nextHops.map((address, index) => ({
      address,
      owner: 'a next hop',
      path: ['external', 'nextHops', index],
    })),
    ...hosts.flatMap(({ host, addresses }, at) =>
      addresses.map((address, index) => ({
        address,
        owner: `host ${host}`,
        path: ['external', 'hosts', at, 'addresses', index],
      })),
    ),
    ...spec.floatingAddresses.map(({ address, to }, index) => ({
      address,
      owner: `floating address ${index} of ${to}`,
      path: ['floatingAddresses', index, 'address'],
    })),
    ...spec.portForwards.map(({ address }, index) => ({
      address,
      owner: 'port forwards',
      path: ['portForwards', index, 'address'],
    })),
  ]
}

/** Two forwards of one port would leave it to chance who is reached. */
function checkForwards(
  forwards: readonly PortForward[],
  issue: (path: (string | number)[], message: string) => void,
): void {
  const spans = forwards.map(({ ports }) => {
    const [first = 0, last = first] = ports.split('-').map(Number)
    return { first, last }
  })
  forwards.forEach((one, index) => {
    const span = spans[index]
    if (span === undefined) return
    if (one.toPort !== undefined && span.first !== span.last) {
      issue(['portForwards', index, 'toPort'], 'goes with a single port')
    }
    const clash = forwards.findIndex((other, before) => {
      const there = spans[before]
      return (
        before < index &&
        there !== undefined &&
        other.protocol === one.protocol &&
        canonical(other.address) === canonical(one.address) &&
        there.first <= span.last &&
        span.first <= there.last
      )
    })
    if (clash >= 0) issue(['portForwards', index, 'ports'], `overlaps with forward ${clash}`)
  })
}

function refuseRepeats(list: readonly string[], refuse: (index: number) => void): void {
  list.forEach((one, index) => {
    if (list.indexOf(one) !== index) refuse(index)
  })
}

function familyOf(address: string): string {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

function canonical(text: string): string {
  const address = parseAddress(text)
  return address === undefined ? text : `${address.family} ${address.value}`
}
