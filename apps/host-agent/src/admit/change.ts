import { randomBytes } from 'node:crypto'
import { type Problem, PurlinError, type RandomBytes } from '@purlin/base'
import { identifyRules } from '@purlin/netfilter'
import {
  allotPorts,
  checkManifest,
  checkRouters,
  isHostKind,
  type Kind,
  type Manifest,
  type PortGroupSpec,
  type PortSpec,
  type RoutedNetwork,
} from '@purlin/schema'
import {
  type AdmittedChange,
  admittedChange,
  type Catalogue,
  invalidManifest,
  knownNamesOf,
  nextRecord,
  type ResourceRecord,
  resourceKey,
  type StoredRecord,
  unusedRecord,
} from '@purlin/service'
import { misusedUuids, withUuid } from '../adopt/machine-uuids.ts'
import { unenforceableNics } from './enforceable.ts'
import { type PoolSizes, refuseOvercommit } from './provisioned.ts'
import { type HostRooms, refuseBeyondHosts } from './refuse-beyond.ts'
import { servedElsewhere } from './served-elsewhere.ts'
import { sharedVolumes } from './shared-volumes.ts'

/** The kinds this agent has a driver for. */
export const SERVED_KINDS: readonly Kind[] = [
  'DistributedSwitch',
  'PortGroup',
  'Router',
  'SecurityGroup',
  'VirtualMachine',
]

/** The kinds that it has a driver for where the host serves storage. */
const STORAGE_KINDS: readonly Kind[] = ['Topology', 'StoragePool', 'Volume', 'Snapshot']

export interface AdmitOptions {
  /** Whether this host serves storage. */
  readonly storage?: boolean
  /** How large pools and volumes are here; absent: no limit of what they promise is judged. */
  readonly sizes?: PoolSizes
  /** What hosts may promise machines, and which host takes those that name none; absent: no limit
   *  is judged. */
  readonly room?: { readonly rooms: HostRooms; readonly home: string } | undefined
  readonly random?: RandomBytes
  /** The host that takes machines which name none; absent on a host that is alone. */
  readonly home?: string | undefined
  /** The hosts there are; absent: any name will do. */
  readonly hosts?: readonly string[] | undefined
}

/** Checks documents against the schema and all that exists, and says what they change. Rules of
 *  security groups that came without an id are given one. Pure but for `random`.
 *  Errors: PUR_INVALID with every problem, PUR_KIND_NOT_SERVED, PUR_BLOCK_OVERCOMMIT,
 *  PUR_HOST_CAPACITY, and those of the port allotment. */
export function admitApply(
  catalogue: Catalogue,
  documents: readonly unknown[],
  images: readonly string[],
  nowMs: number,
  { random = randomBytes, home, hosts, storage = false, sizes, room }: AdmitOptions = {},
): AdmittedChange {
  const checked = checkManifest(documents, knownNamesOf(catalogue))
  if (checked.manifests === undefined) throw invalidManifest(checked.problems)
  const unknownImages = checked.manifests.flatMap((manifest, document): Problem[] => {
    if (manifest.kind !== 'VirtualMachine' || images.includes(manifest.spec.image)) return []
    const place = placed(catalogue, manifest, home)
    // Only the agent of another host knows what images are there.
    if (place.kind === 'VirtualMachine' && place.spec.host !== home) return []
    const message = `no image named ${manifest.spec.image} on this host; it has: ${images.join(', ') || 'none'}`
    return [{ document, path: 'spec.image', message }]
  })
  const unknownHosts = checked.manifests.flatMap((manifest, document): Problem[] => {
    const host = manifest.kind === 'VirtualMachine' ? manifest.spec.host : undefined
    if (host === undefined || hosts === undefined || hosts.includes(host)) return []
    const message = `no host named ${host}; there is: ${hosts.join(', ')}`
    return [{ document, path: 'spec.host', message }]
  })
  if (unknownHosts.length > 0) throw invalidManifest(unknownHosts)
  if (unknownImages.length > 0) throw invalidManifest(unknownImages)
  const misused = misusedUuids(catalogue, checked.manifests)
  if (misused.length > 0) throw invalidManifest(misused)
  const served = storage ? [...SERVED_KINDS, ...STORAGE_KINDS] : SERVED_KINDS
  for (const { kind, name, spec } of checked.manifests) {
    const isForeign = kind === 'StoragePool' && spec.engine !== 'local'
    if (served.includes(kind) && !isForeign) continue
    if (!isHostKind(kind)) {
      const message = `${kind} ${name}: ${servedElsewhere(kind)}; nothing was applied`
      throw new PurlinError('PUR_KIND_NOT_SERVED', { message, context: { kind, name } })
    }
    const what = isForeign ? `${kind} of engine ${spec.engine}` : kind
    throw new PurlinError('PUR_KIND_NOT_SERVED', {
      message: `${kind} ${name}: this agent has no driver for ${what}; it serves ${served.join(', ')}; nothing was applied`,
      context: { kind, name },
    })
  }
  const records = checked.manifests
    .map((manifest) => identified(catalogue, manifest, random))
    .map((manifest) => placed(catalogue, manifest, home))
    .map((manifest) => withUuid(catalogue, manifest))
    .map((manifest) => nextRecord(catalogue, manifest, nowMs))
  const before = catalogue.all().map(({ manifest }) => manifest)
  const changed = new Set(checked.manifests.map(({ kind, name }) => resourceKey(kind, name)))
  const kept = before.filter(({ kind, name }) => !changed.has(resourceKey(kind, name)))
  const after = [...kept, ...records.map(({ manifest }) => manifest)]
  if (sizes !== undefined) refuseOvercommit(before, after, sizes)
  if (room !== undefined) refuseBeyondHosts(before, after, room.rooms, room.home)
  return closeChange(catalogue, records, [], nowMs)
}

/** Says what deleting a resource changes. Pure. Errors: PUR_RESOURCE_MISSING,
 *  PUR_RESOURCE_IN_USE. */
export function admitDelete(
  catalogue: Catalogue,
  kind: Kind,
  name: string,
  nowMs: number,
): AdmittedChange {
  return closeChange(catalogue, [], [unusedRecord(catalogue, kind, name)], nowMs)
}

/** The images that documents name, whether or not they are right otherwise. Pure. */
export function imagesNamedBy(documents: readonly unknown[]): string[] {
  return documents.flatMap((document) => {
    const { spec } = (document ?? {}) as { spec?: { image?: unknown } }
    return typeof spec?.image === 'string' ? [spec.image] : []
  })
}

/** Adds what follows from a change: the ports its machines gain and lose. Those that are
 *  `returning` are given out again as they were. Pure. */
export function closeChange(
  catalogue: Catalogue,
  records: readonly ResourceRecord[],
  deleted: readonly StoredRecord[],
  nowMs: number,
  returning: ReadonlyMap<string, PortSpec> = new Map(),
): AdmittedChange {
  const gone = new Set(deleted.map(({ manifest }) => resourceKey(manifest.kind, manifest.name)))
  const changed = new Map(
    records.map((each) => [resourceKey(each.manifest.kind, each.manifest.name), each]),
  )
  const standing = catalogue.all().filter(({ manifest }) => {
    const key = resourceKey(manifest.kind, manifest.name)
    return !gone.has(key) && !changed.has(key)
  })
  const after = [...standing, ...records]
  const machines = after.flatMap(({ manifest }) =>
    manifest.kind === 'VirtualMachine' ? [manifest] : [],
  )
  const portGroups = new Map(
    after.flatMap(({ manifest }): [string, PortGroupSpec][] =>
      manifest.kind === 'PortGroup' ? [[manifest.name, manifest.spec]] : [],
    ),
  )
  const unenforceable = unenforceableNics(machines, portGroups)
  if (unenforceable.length > 0) throw invalidManifest(unenforceable)
  const shared = sharedVolumes(machines)
  if (shared.length > 0) throw invalidManifest(shared)
  const ports = allotPorts({
    machines,
    portGroups,
    existing: new Map([
      ...returning,
      ...catalogue.list('Port').map(({ manifest: { name, spec } }) => [name, spec] as const),
    ]),
  })
  const misrouted = checkRouters(networkAfter(after, portGroups, ports))
  if (misrouted.length > 0) throw invalidManifest(misrouted)
  const portRecords = [...ports].map(([name, spec]) =>
    nextRecord(catalogue, portManifest(name, spec), nowMs),
  )
  const lostPorts = catalogue.list('Port').filter(({ manifest }) => !ports.has(manifest.name))
  return admittedChange(catalogue, [...records, ...portRecords], [...deleted, ...lostPorts])
}

function networkAfter(
  after: readonly ResourceRecord[],
  portGroups: RoutedNetwork['portGroups'],
  ports: ReadonlyMap<string, PortSpec>,
): RoutedNetwork {
  const nics = [...ports].map(([port, { portGroup, ipv4, ipv6 }]) => ({
    port,
    portGroup,
    ipv4,
    ipv6,
  }))
  const routers = after.flatMap(({ manifest }) => (manifest.kind === 'Router' ? [manifest] : []))
  return { routers, portGroups, nics }
}

function portManifest(name: string, spec: PortSpec): Manifest<'Port'> {
  return { kind: 'Port', name, spec }
}

function identified(catalogue: Catalogue, manifest: Manifest, random: RandomBytes): Manifest {
  if (manifest.kind !== 'SecurityGroup') return manifest
  const former = catalogue.get('SecurityGroup', manifest.name)?.manifest.spec
  return { ...manifest, spec: identifyRules(former, manifest.spec, random) }
}

/** A machine that names no host stays where it is, or comes to `home`. */
function placed(catalogue: Catalogue, manifest: Manifest, home: string | undefined): Manifest {
  if (manifest.kind !== 'VirtualMachine' || manifest.spec.host !== undefined) return manifest
  const standing = catalogue.get('VirtualMachine', manifest.name)?.manifest.spec.host
  const host = standing ?? home
  return host === undefined ? manifest : { ...manifest, spec: { ...manifest.spec, host } }
}
