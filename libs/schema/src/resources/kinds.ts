import { z } from 'zod'
import { chassis, chassisStatus } from './bare-metal/chassis.ts'
import { bareMetalInstance, bareMetalInstanceStatus } from './bare-metal/instance.ts'
import {
  deploymentNetwork,
  deploymentNetworkStatus,
  ipmiNetwork,
  managementNetwork,
} from './bare-metal/networks.ts'
import { secret } from './bare-metal/secret.ts'
import { image, imageStatus, installMedia, installMediaStatus } from './bare-metal/source.ts'
import { deploymentTemplate } from './deployment-template.ts'
import { distributedSwitch } from './distributed-switch.ts'
import { type ResourceStatus, storedFields } from './envelope.ts'
import { host } from './host.ts'
import { machineSnapshot } from './machine-snapshot.ts'
import { port } from './port.ts'
import { portGroup } from './port-group.ts'
import { router } from './router.ts'
import { securityGroup } from './security-group.ts'
import { snapshot, storagePool, topology, volume } from './storage.ts'
import { virtualMachine } from './virtual-machine.ts'

/** One kind: its manifest's schema, its place in the REST API, and the short words of the command
 *  line. */
export interface KindEntry<Manifest extends z.ZodType> {
  readonly manifest: Manifest
  readonly plural: string
  readonly aliases: readonly string[]
  /** Written by the agent alone; callers read it. */
  readonly observed?: true
  /** What is observed of it beyond conditions. */
  readonly status?: z.ZodType
}

/** Every kind, in the order in which a manifest's documents are best read. */
export const kinds = {
  DistributedSwitch: {
    manifest: distributedSwitch,
    plural: 'distributed-switches',
    aliases: ['switch', 'dvs'],
  },
  PortGroup: { manifest: portGroup, plural: 'port-groups', aliases: ['portgroup', 'pg'] },
  Router: { manifest: router, plural: 'routers', aliases: [] },
  SecurityGroup: { manifest: securityGroup, plural: 'security-groups', aliases: ['sg'] },
  VirtualMachine: { manifest: virtualMachine, plural: 'virtual-machines', aliases: ['vm'] },
  Port: { manifest: port, plural: 'ports', aliases: [], observed: true },
  Host: { manifest: host, plural: 'hosts', aliases: [], observed: true },
  Topology: { manifest: topology, plural: 'topologies', aliases: [] },
  StoragePool: { manifest: storagePool, plural: 'storage-pools', aliases: ['pool'] },
  Volume: { manifest: volume, plural: 'volumes', aliases: ['vol'] },
  Snapshot: { manifest: snapshot, plural: 'snapshots', aliases: ['snap'] },
  MachineSnapshot: {
    manifest: machineSnapshot,
    plural: 'machine-snapshots',
    aliases: ['vmsnap'],
    observed: true,
  },
  DeploymentNetwork: {
    manifest: deploymentNetwork,
    plural: 'deployment-networks',
    aliases: [],
    status: deploymentNetworkStatus,
  },
  ManagementNetwork: { manifest: managementNetwork, plural: 'management-networks', aliases: [] },
  IpmiNetwork: { manifest: ipmiNetwork, plural: 'ipmi-networks', aliases: [] },
  Secret: { manifest: secret, plural: 'secrets', aliases: [] },
  Chassis: { manifest: chassis, plural: 'chassis', aliases: [], status: chassisStatus },
  InstallMedia: {
    manifest: installMedia,
    plural: 'install-media',
    aliases: ['media'],
    status: installMediaStatus,
  },
  Image: { manifest: image, plural: 'images', aliases: [], status: imageStatus },
  DeploymentTemplate: {
    manifest: deploymentTemplate,
    plural: 'deployment-templates',
    aliases: ['template'],
  },
  BareMetalInstance: {
    manifest: bareMetalInstance,
    plural: 'bare-metal-instances',
    aliases: ['metal'],
    status: bareMetalInstanceStatus,
  },
} as const satisfies Record<string, KindEntry<z.ZodType>>

export type Kind = keyof typeof kinds
export const kindNames = Object.keys(kinds) as readonly Kind[]

/** Kinds that purlin-baremetal-pxe serves. Port groups and their switches are records to it: an
 *  instance's service network names them. */
export const bareMetalKinds = [
  'DistributedSwitch',
  'PortGroup',
  'ManagementNetwork',
  'IpmiNetwork',
  'DeploymentNetwork',
  'Secret',
  'Chassis',
  'InstallMedia',
  'Image',
  'DeploymentTemplate',
  'BareMetalInstance',
] as const satisfies readonly Kind[]
export type BareMetalKind = (typeof bareMetalKinds)[number]

/** Kinds that the host agent serves. */
export type HostKind = Exclude<Kind, BareMetalKind> | 'DistributedSwitch' | 'PortGroup'
export const hostKinds: readonly HostKind[] = kindNames.filter(isHostKind)

/** Whether the host agent serves the kind. */
export function isHostKind(kind: Kind): kind is HostKind {
  return kind === 'DistributedSwitch' || kind === 'PortGroup' || !isBareMetalKind(kind)
}

/** Whether purlin-baremetal-pxe serves the kind. */
export function isBareMetalKind(kind: Kind): kind is BareMetalKind {
  return (bareMetalKinds as readonly Kind[]).includes(kind)
}

/** A document of a manifest after its schema has been applied, defaults filled in. */
export type Manifest<K extends Kind = Kind> = {
  [Each in K]: z.output<(typeof kinds)[Each]['manifest']>
}[K]
/** A document of a manifest as a person writes it. */
export type ManifestInput<K extends Kind = Kind> = {
  [Each in K]: z.input<(typeof kinds)[Each]['manifest']>
}[K]
/** The spec of a kind. */
export type SpecOf<K extends Kind> = Manifest<K>['spec']

const stored = z.object(storedFields)
/** What is observed of a kind. */
export type StatusOf<K extends Kind> = (typeof kinds)[K] extends {
  status: infer Status extends z.ZodType
}
  ? z.output<Status>
  : ResourceStatus
/** A resource as the agent answers it: the manifest, its versions, its status. */
export type Resource<K extends Kind = Kind> = {
  [Each in K]: Manifest<Each> & Omit<z.output<typeof stored>, 'status'> & { status: StatusOf<Each> }
}[K]

/** Whether the text names a kind. */
export function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text)
}

/** The kind that `word` means: its name, its plural or an alias, in any case. */
export function kindOfWord(word: string): Kind | undefined {
  const wanted = word.toLowerCase()
  return kindNames.find((kind) => {
    const entry: KindEntry<z.ZodType> = kinds[kind]
    const dashed = entry.plural.replaceAll('-', '')
    return [
      kind.toLowerCase(),
      `${kind.toLowerCase()}s`,
      entry.plural,
      dashed,
      ...entry.aliases,
    ].includes(wanted)
  })
}

/** Schema of a stored resource of the kind, for answers and their documentation. */
export function storedSchemaOf(kind: Kind): z.ZodType {
  const { manifest, status }: { manifest: z.ZodObject; status?: z.ZodType } = kinds[kind]
  const fields = status === undefined ? storedFields : { ...storedFields, status }
  return manifest.extend(fields).meta({ id: kind })
}
