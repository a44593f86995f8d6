import { z } from 'zod'
import { ipAddress } from '../fields/addresses.ts'
import { deviceName, resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'
import { flowExport } from './flow-export.ts'

const nicName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/, 'must be the name of a network interface')

/** Several NICs that act as one uplink. */
export const uplinkBond = z
  .strictObject({
    name: deviceName.meta({ description: 'Names the bond among the uplinks.' }),
    mode: z.enum(['active-backup', 'balance-slb', 'lacp']).meta({
      description:
        'One NIC at a time; each source MAC and VLAN on one of them; or LACP with the switch at the other end.',
    }),
    members: z.array(nicName).min(2).max(8),
  })
  .meta({ id: 'UplinkBond' })
export type UplinkBond = z.infer<typeof uplinkBond>

/** `ADDRESS/LENGTH` of a host in the network that carries tunnels. */
const underlayAddress = z.string().superRefine((text, context) => {
  const [address = '', length = '', ...rest] = text.split('/')
  const parsed = ipAddress.safeParse(address)
  const limit = address.includes(':') ? 128 : 32
  const fits = /^\d{1,3}$/.test(length) && Number(length) >= 1 && Number(length) <= limit
  if (rest.length === 0 && parsed.success && fits) return
  const message = `must be an address with its network's length such as 192.0.2.1/24, found "${text}"`
  context.addIssue({ code: 'custom', message })
})

const uplinks = z.array(nicName).max(8)
const bonds = z.array(uplinkBond).max(8)

/** What differs on one host. */
const switchHost = z.strictObject({
  host: resourceName.meta({ description: 'Name of the host.' }),
  uplinks: uplinks.optional().meta({ description: 'Its own uplinks instead of the common ones.' }),
  bonds: bonds.optional().meta({ description: 'Its own bonds instead of the common ones.' }),
  underlay: underlayAddress.optional().meta({
    description: 'Its address in the network that carries tunnels.',
    example: '192.0.2.1/24',
  }),
})
export type SwitchHost = z.infer<typeof switchHost>

/** One network configuration over all hosts; on each it is an Open vSwitch bridge of this name. */
export const distributedSwitchSpec = z
  .strictObject({
    mtu: z.number().int().min(1280).max(9216).default(1500).meta({ description: 'Bytes.' }),
    transport: z.enum(['vlan', 'vxlan', 'geneve']).default('vlan').meta({
      description: 'How frames go between hosts: tagged on the uplinks, or in tunnels.',
    }),
    tunnelPort: z.number().int().min(1).max(65_535).optional().meta({
      description: 'UDP port of tunnels; absent: 4789 for VXLAN, 6081 for Geneve.',
    }),
    uplinks: uplinks.default([]).meta({
      description: 'Host interfaces or bonds that join the switch; none: it lives on this host.',
    }),
    bonds: bonds.default([]).meta({ description: 'Bonds that the uplinks name.' }),
    hosts: z.array(switchHost).max(1024).default([]).meta({
      description: 'Hosts that differ from what is said above, and addresses for tunnels.',
    }),
    confirmSeconds: z.number().int().min(0).max(600).default(0).meta({
      description:
        'A change of uplinks that nobody confirms over the new path goes back after this; 0: it stays.',
    }),
    flowExport: flowExport.optional(),
  })
  .superRefine((spec, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message })
    checkBonds(spec.uplinks, spec.bonds, [], issue)
    const seen = new Set<string>()
    for (const [index, one] of spec.hosts.entries()) {
      if (seen.has(one.host)) issue(['hosts', index, 'host'], `${one.host} is listed twice`)
      seen.add(one.host)
      const path = ['hosts', index]
      checkBonds(one.uplinks ?? spec.uplinks, one.bonds ?? spec.bonds, path, issue)
      if (spec.transport !== 'vlan' && one.underlay === undefined) {
        const message = `must be given: ${spec.transport} tunnels end there`
        issue([...path, 'underlay'], message)
      }
    }
  })
  .meta({ id: 'DistributedSwitchSpec' })
export type DistributedSwitchSpec = z.infer<typeof distributedSwitchSpec>

export const distributedSwitch = manifestOf('DistributedSwitch', distributedSwitchSpec, deviceName)

/** What of a switch holds for one host. */
export interface SwitchOnHost {
  readonly uplinks: readonly string[]
  readonly bonds: readonly UplinkBond[]
  readonly underlay?: string
}

/** The uplinks, bonds and underlay address that hold for one host. Pure. */
export function switchOnHost(spec: DistributedSwitchSpec, host: string): SwitchOnHost {
  const own = spec.hosts.find((one) => one.host === host)
  return {
    uplinks: own?.uplinks ?? spec.uplinks,
    bonds: own?.bonds ?? spec.bonds,
    ...(own?.underlay !== undefined && { underlay: own.underlay }),
  }
}

/** A NIC serves one uplink alone, or frames would come back by the other. */
function checkBonds(
  names: readonly string[],
  made: readonly UplinkBond[],
  path: (string | number)[],
  issue: (path: (string | number)[], message: string) => void,
): void {
  const taken = new Map<string, string>()
  const take = (nic: string, owner: string, at: (string | number)[]): void => {
    const before = taken.get(nic)
    if (before === undefined) taken.set(nic, owner)
    else issue([...path, ...at], `${nic} is in ${before} already; a NIC serves one uplink`)
  }
  for (const [index, bond] of made.entries()) {
    if (!names.includes(bond.name)) {
      issue([...path, 'bonds', index, 'name'], `${bond.name} is named by no uplink`)
    }
    for (const nic of bond.members) take(nic, `bond ${bond.name}`, ['bonds', index, 'members'])
  }
  for (const [index, name] of names.entries()) {
    take(name, 'uplinks', ['uplinks', index])
  }
}
