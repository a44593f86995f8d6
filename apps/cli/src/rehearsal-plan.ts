import { PurlinError, parseCidr } from '@purlin/base'
import { type DiscoveryReport, installerOf, type Manifest, type SpecOf } from '@purlin/schema'

/** What a person wants rehearsed. */
export interface RehearsalWish {
  readonly template: string
  /** Where the system comes from, instead of what the manifest's instance says. */
  readonly source?: { readonly image: string } | { readonly media: string }
}

/** What is applied at the private daemon, and what it is carried out on. */
export interface RehearsalPlan {
  readonly documents: readonly Manifest[]
  readonly template: SpecOf<'DeploymentTemplate'>
  readonly chassis: string
  readonly bootMac: string
  readonly firmware: 'bios' | 'uefi'
  readonly bridge: string
  /** The server's own address with its prefix. */
  readonly address: string
  readonly installs: 'image' | 'media'
  /** What the discovery system, or this installer, takes to run. */
  readonly memoryMiB: number
}

type Of<K extends Manifest['kind']> = Extract<Manifest, { kind: K }>

export const REHEARSAL_SECRET = 'rehearsal-bmc'
export const REHEARSAL_PORT = 9_001
const CHASSIS = 'rehearsal'
const BOOT_MAC = '52:54:00:70:00:01'
const NETWORK: Of<'DeploymentNetwork'> = {
  kind: 'DeploymentNetwork',
  name: 'rehearsal',
  spec: {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
    enrolUnknown: false,
  },
}

/** Takes out of a manifest what one installation needs: the instance of the template with its
 *  chassis, network and source, as they are written, so that what is rehearsed is what will be
 *  done. Only the BMC is another: a simulated one, with a password of its own in `passwordFile`.
 *  What the manifest does not have is made up. Pure. Errors: PUR_INVALID. */
export function planRehearsal(
  manifests: readonly Manifest[],
  wish: RehearsalWish,
  passwordFile: string,
  like?: DiscoveryReport,
): RehearsalPlan {
  const template = named(manifests, 'DeploymentTemplate', wish.template)
  const instance = manifests.find(
    (one): one is Of<'BareMetalInstance'> =>
      one.kind === 'BareMetalInstance' && one.spec.template === wish.template,
  )
  const source = wish.source ?? instance?.spec.source
  if (source === undefined) {
    throw refusal(`no instance of the manifest uses ${wish.template}: say --image or --media`)
  }
  const real = instance && named(manifests, 'Chassis', instance.spec.chassis)
  const network = real ? named(manifests, 'DeploymentNetwork', real.spec.network) : NETWORK
  const firmware = real?.spec.firmware ?? like?.firmware.mode ?? 'bios'
  const bootMac = real?.spec.bootMac ?? like?.nics[0]?.mac ?? firstMacOf(template) ?? BOOT_MAC
  const chassis = real?.name ?? CHASSIS
  const medium =
    'image' in source
      ? named(manifests, 'Image', source.image)
      : named(manifests, 'InstallMedia', source.media)
  return {
    documents: [
      ...manifests.filter(({ kind }) => kind === 'PortGroup' || kind === 'DistributedSwitch'),
      network,
      { kind: 'Secret', name: REHEARSAL_SECRET, spec: { username: 'admin', passwordFile } },
      {
        kind: 'Chassis',
        name: chassis,
        spec: {
          bmc: {
            ...{ protocol: 'ipmi', address: '127.0.0.1', port: REHEARSAL_PORT },
            ...{ secret: REHEARSAL_SECRET, cipher: 3 },
          },
          ...{ bootMac, firmware, network: network.name },
          ...(real?.spec.address !== undefined && { address: real.spec.address }),
        },
      },
      medium,
      template,
      {
        kind: 'BareMetalInstance',
        name: instance?.name ?? CHASSIS,
        spec: {
          ...(instance?.spec ?? { release: 'quick', service: [] }),
          ...{ chassis, template: template.name, source },
        },
      },
    ],
    template: template.spec,
    ...{ chassis, bootMac, firmware, bridge: network.spec.interface },
    address: serverAddress(network.spec.subnet.cidr),
    installs: medium.kind === 'Image' ? 'image' : 'media',
    memoryMiB: medium.kind === 'Image' ? IMAGE_MEMORY_MIB : memoryOf(medium.spec),
  }
}

const IMAGE_MEMORY_MIB = 1_024
/** Of installers: what their makers ask for. Ubuntu's holds its whole ISO in memory, Agama is a
 *  live system. */
const MEMORY_MIB: Readonly<Record<string, number>> = {
  ...{ 'debian-12': 1_536, 'debian-13': 1_536, 'rhel-9': 3_072, 'rhel-10': 3_072 },
  ...{ 'ubuntu-22.04': 8_192, 'ubuntu-24.04': 8_192, 'sles-15': 2_048, 'sles-16': 4_096 },
}

function memoryOf({ family, version }: SpecOf<'InstallMedia'>): number {
  return MEMORY_MIB[installerOf(family, version) ?? ''] ?? 2_048
}

function named<K extends Manifest['kind']>(
  manifests: readonly Manifest[],
  kind: K,
  name: string,
): Of<K> {
  const found = manifests.find((one) => one.kind === kind && one.name === name)
  if (found === undefined) throw refusal(`the manifest has no ${kind} ${name}`)
  return found as Of<K>
}

function firstMacOf({ spec }: Of<'DeploymentTemplate'>): string | undefined {
  const { nics, bonds } = spec.network
  return nics[0]?.mac ?? bonds[0]?.members[0]?.mac
}

/** The first address of the network. */
function serverAddress(cidr: string): string {
  const range = parseCidr(cidr)
  if (range === undefined) throw refusal(`${cidr} is no network`)
  const [network = '', prefix = ''] = cidr.split('/')
  const parts = network.split('.').map(Number)
  const last = parts.pop() ?? 0
  return `${[...parts, last + 1].join('.')}/${prefix}`
}

function refusal(message: string): PurlinError {
  return new PurlinError('PUR_INVALID', { message: `rehearse: ${message}` })
}
