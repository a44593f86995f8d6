import { z } from 'zod'
import { cidr, ipAddress } from '../fields/addresses.ts'
import { macAddress, resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'
import { deviceQueues, machineDiskLimits, sizeIssues } from './machine-devices.ts'
import { DEFAULT_GRACE_SECONDS, LONGEST_GRACE_SECONDS, wantedPowers } from './machine-power.ts'
import { portPath } from './port-traffic.ts'

/** How long a guest may take. */
export const graceSeconds = z.number().int().min(0).max(LONGEST_GRACE_SECONDS)

const action = z.enum(['allow', 'deny'])

/** What happens to a packet of a NIC that no rule decides; what is absent follows the
 *  installation, which has inbound deny, outbound allow, without groups allow unless it says
 *  otherwise. */
export const defaultPolicy = z
  .strictObject({
    inbound: action.optional(),
    outbound: action.optional(),
    withoutGroups: action.optional().meta({
      description: 'Of a NIC that names no group: allow leaves it to its guards alone.',
    }),
  })
  .meta({ id: 'DefaultPolicy' })
export type DefaultPolicy = z.infer<typeof defaultPolicy>

const on = z.boolean().default(true)

/** What a NIC may not send, whatever its groups say. */
export const nicGuards = z
  .strictObject({
    mac: on.meta({ description: 'No other source MAC than its own.' }),
    ipv4Source: on.meta({ description: 'No other IPv4 source than its own.' }),
    ipv6Source: on.meta({ description: 'No other IPv6 source than its own.' }),
    arp: on.meta({ description: 'No ARP for other addresses than its own.' }),
    neighbourAdvertisement: on.meta({
      description: 'No neighbour advertisement of other addresses than its own.',
    }),
    router: on.meta({ description: 'No router advertisements, no redirects.' }),
    dhcpServer: on.meta({ description: 'No answers of a DHCP or DHCPv6 server.' }),
  })
  .meta({ id: 'NicGuards' })
export type NicGuards = z.infer<typeof nicGuards>

/** What passes without a rule of its own on a NIC with groups. */
export const alwaysOpen = z
  .strictObject({
    dhcpRequests: on.meta({ description: "The DHCP and DHCPv6 client's requests." }),
    dhcpAnswers: on.meta({ description: "Answers of the port group's own server." }),
    routerAdvertisements: on.meta({ description: "Of the port group's own server." }),
    neighbourDiscovery: on.meta({ description: 'IPv6 neighbour discovery, both ways.' }),
    icmpErrors: on.meta({ description: 'ICMP errors about allowed flows.' }),
  })
  .meta({ id: 'AlwaysOpen' })
export type AlwaysOpen = z.infer<typeof alwaysOpen>

const nic = z
  .strictObject({
    name: resourceName.max(15),
    portGroup: resourceName,
    securityGroups: z
      .array(resourceName)
      .max(32)
      .default([])
      .meta({ description: 'In order: an earlier group decides before a later one.' }),
    defaultPolicy: defaultPolicy.prefault({}),
    guards: nicGuards.prefault({}),
    alwaysOpen: alwaysOpen.prefault({}),
    allowedAddresses: z
      .array(z.union([ipAddress, cidr, macAddress]))
      .max(64)
      .default([])
      .meta({
        description:
          'Addresses, networks and MACs it may send from beside its own, as keepalived needs.',
      }),
    port: portPath.optional().meta({
      description: 'How it reaches the switch; absent: as its port group says.',
    }),
    allowUnfiltered: z.boolean().default(false).meta({
      description: 'Take a path on which its groups cannot be enforced; shown as notEnforced.',
    }),
    queues: deviceQueues.optional().meta({
      description:
        'How many processors of the guest work on it at a time, from the next start on; absent: one.',
    }),
    mac: macAddress.optional().meta({ description: 'Given out when absent.' }),
    addresses: z
      .array(ipAddress)
      .max(8)
      .optional()
      .meta({ description: 'Fixed addresses; absent: the lowest free of each DHCP range.' }),
  })
  .meta({ id: 'VirtualMachineNic' })
export type VirtualMachineNic = z.infer<typeof nic>

const disk = z
  .strictObject({
    name: resourceName.max(20).meta({
      description:
        'Its serial number; Linux guests have it at /dev/disk/by-id/virtio-NAME. By vhost-user the serial number is the name of the volume.',
    }),
    volume: resourceName.meta({ description: 'The volume it is; one machine has it at a time.' }),
    attach: z.enum(['nbd', 'vhost-user']).default('nbd').meta({
      description:
        'How QEMU has it: over NBD, or by handing the memory of the guest to the block daemon, which is quicker and keeps the machine from being migrated while it runs.',
    }),
    limits: machineDiskLimits.optional().meta({
      description:
        'What the machine may use of it, changed while it runs; absent: what the volume gives.',
    }),
    queues: deviceQueues.optional().meta({
      description:
        'How many processors of the guest work on it at a time; absent: as many as it has.',
    }),
  })
  .meta({ id: 'VirtualMachineDisk' })

export const virtualMachineSpec = z
  .strictObject({
    cpus: z.number().int().min(1).max(512),
    maximumCpus: z.number().int().min(1).max(512).optional().meta({
      description:
        'Up to how many it may be given while it runs, without a restart; absent: a change of cpus waits for one.',
    }),
    memoryMiB: z.number().int().min(64).max(16_777_216),
    maximumMemoryMiB: z.number().int().min(64).max(16_777_216).optional().meta({
      description:
        'Up to how much memory it may be given while it runs, in pieces of 2 MiB; less than it started with is taken by its balloon; absent: a change of memoryMiB waits for a restart.',
    }),
    ioThreads: z.number().int().min(1).max(16).optional().meta({
      description:
        'Threads of its own for its disks, which are dealt out to them in turn; absent: none.',
    }),
    image: resourceName,
    host: resourceName.optional().meta({
      description: 'The host it runs on; absent: the one whose agent took it first.',
    }),
    disks: z
      .array(disk)
      .max(16)
      .default([])
      .meta({ description: 'In order: vda, vdb and so on in a Linux guest.' }),
    nics: z.array(nic).max(16).default([]),
    powerState: z.enum(wantedPowers).default('running').meta({
      description:
        'What the machine should be; `vm start`, `stop`, `pause`, `resume` and `suspend` change it. suspended: off, with its memory on the disk of its host.',
    }),
    autostart: z.boolean().optional().meta({
      description:
        'Whether it is started after its host’s boot, once its rules stand; absent: true. What was running when its agent or libvirtd ended runs on in any case.',
    }),
    uuid: z
      .string()
      .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a UUID in lower case')
      .optional()
      .meta({
        description:
          'UUID of its domain, of a machine that libvirt had before it was taken in; absent: one of its own. It cannot be changed.',
      }),
    display: z.enum(['vnc', 'none']).optional().meta({
      description:
        'Its screen, from the next start on; absent: vnc, which listens nowhere and is reached through the API alone.',
    }),
    restart: z.enum(['never', 'onCrash', 'always']).optional().meta({
      description:
        'Whether it is started again when it went off by itself; absent: always. Five times in ten minutes at most, each time after a longer pause.',
    }),
    stopGraceSeconds: graceSeconds.optional().meta({
      description: `How long its guest may take to power off before its power is taken; absent: ${DEFAULT_GRACE_SECONDS}. 0: the guest is not asked.`,
    }),
  })
  .superRefine((spec, context) => {
    spec.nics.forEach((one, index) => {
      if (spec.nics.findIndex((other) => other.name === one.name) !== index) {
        const message = `duplicate name ${one.name}: NICs of a machine have names of their own`
        context.addIssue({ code: 'custom', path: ['nics', index, 'name'], message })
      }
    })
    for (const issue of sizeIssues(spec)) context.addIssue({ code: 'custom', ...issue })
    spec.disks.forEach((one, index) => {
      for (const field of ['name', 'volume'] as const) {
        if (spec.disks.findIndex((other) => other[field] === one[field]) === index) continue
        const message = `duplicate ${field} ${one[field]}: each disk of a machine has its own`
        context.addIssue({ code: 'custom', path: ['disks', index, field], message })
      }
    })
  })
  .meta({ id: 'VirtualMachineSpec' })
export type VirtualMachineSpec = z.infer<typeof virtualMachineSpec>

export const virtualMachine = manifestOf('VirtualMachine', virtualMachineSpec)
