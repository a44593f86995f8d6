import { z } from 'zod'
import * as metal from './bare-metal.ts'
import { deploymentTemplate } from './deployment-template.ts'
import { distributedSwitch } from './distributed-switch.ts'
import { storedFields } from './envelope.ts'
import { host } from './host.ts'
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
  DeploymentNetwork: {
    manifest: metal.deploymentNetwork,
    plural: 'deployment-networks',
    aliases: [],
  },
  Secret: { manifest: metal.secret, plural: 'secrets', aliases: [] },
  Chassis: { manifest: metal.chassis, plural: 'chassis', aliases: [] },
  InstallMedia: { manifest: metal.installMedia, plural: 'install-media', aliases: ['media'] },
  DeploymentTemplate: {
    manifest: deploymentTemplate,
    plural: 'deployment-templates',
    aliases: ['template'],
  },
  BareMetalInstance: {
    manifest: metal.bareMetalInstance,
    plural: 'bare-metal-instances',
    aliases: ['metal'],
  },
} as const satisfies Record<string, KindEntry<z.ZodType>>

export type Kind = keyof typeof kinds
export const kindNames = Object.keys(kinds) as readonly Kind[]

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
/** A resource as the agent answers it: the manifest, its versions, its status. */
export type Resource<K extends Kind = Kind> = {
  [Each in K]: Manifest<Each> & z.output<typeof stored>
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
  return kinds[kind].manifest.extend(storedFields).meta({ id: kind })
}
