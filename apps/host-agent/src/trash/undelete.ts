import { PurlinError, shortHash } from '@purlin/base'
import { type PortSpec, referencesOf } from '@purlin/schema'
import type { AdmittedChange, Catalogue, ResourceRecord } from '@purlin/service'
import { closeChange } from '../admit/change.ts'
import { type TrashEntry, trashKey } from './entry.ts'

export interface UndeleteOptions {
  readonly nowMs: number
  /** NICs whose MAC or addresses others have by now get new ones. */
  readonly newAddresses: boolean
  /** The hosts there are; absent: any will do. */
  readonly hosts?: readonly string[] | undefined
}

/** The change that brings a deleted machine back: the same identity, so the same domain, the same
 *  MACs and addresses. It comes back stopped. Pure. Errors: PUR_TRASH_DIFFERS with all that it
 *  needs and that is gone or another's, and those of the port allotment. */
export function admitUndelete(
  catalogue: Catalogue,
  entry: TrashEntry,
  { nowMs, newAddresses, hosts }: UndeleteOptions,
): AdmittedChange {
  const { manifest, uid, generation, createdAtMs } = entry.machine
  const { name, spec } = manifest
  const clashes = entry.ports.flatMap(({ name: port, spec: had }) =>
    clashesOf(port, had, catalogue).map((message) => ({ port, message })),
  )
  const found = [
    ...missing(catalogue, entry, hosts),
    ...(newAddresses ? [] : clashes.map(({ message }) => message)),
  ]
  if (found.length > 0) {
    const way = clashes.length > 0 && !newAddresses ? '; other addresses: --new-addresses' : ''
    throw new PurlinError('PUR_TRASH_DIFFERS', {
      message: `machine ${name} cannot come back: ${found.join('; ')}${way}`,
      context: { machine: name, found },
    })
  }
  const lost = new Set(clashes.map(({ port }) => port))
  const returning = new Map<string, PortSpec>()
  for (const { name: port, spec: had } of entry.ports) {
    if (lost.has(port)) continue
    const { move: _former, ...rest } = had
    returning.set(port, identified(port, rest, catalogue, returning))
  }
  const record: ResourceRecord<'VirtualMachine'> = {
    manifest: { ...manifest, spec: { ...spec, powerState: 'stopped' } },
    generation: generation + 1,
    ...{ uid, createdAtMs },
  }
  const change = closeChange(catalogue, [record], [], nowMs, returning)
  return { ...change, writes: [...change.writes, { delete: trashKey(uid) }] }
}

function missing(
  catalogue: Catalogue,
  { machine: { manifest }, volumes }: TrashEntry,
  hosts: readonly string[] | undefined,
): readonly string[] {
  const { name, spec } = manifest
  const there = catalogue.get('VirtualMachine', name)
  const named = referencesOf(manifest).filter((to) => catalogue.get(to.kind, to.name) === undefined)
  const anew = volumes.filter(({ name: volume, uid }) => {
    const now = catalogue.get('Volume', volume)
    return now !== undefined && now.uid !== uid
  })
  const taken = spec.disks.flatMap(({ volume }) => {
    const user = catalogue
      .list('VirtualMachine')
      .find((other) => other.manifest.spec.disks.some((disk) => disk.volume === volume))
    return user === undefined ? [] : [`volume ${volume} is a disk of machine ${user.manifest.name}`]
  })
  const { host } = spec
  return [
    ...(there === undefined ? [] : [`there is another machine ${name}`]),
    ...[...new Set(named.map((to) => `${to.kind} ${to.name} is gone`))],
    ...anew.map((volume) => `volume ${volume.name} was made anew since`),
    ...taken,
    ...(host === undefined || hosts === undefined || hosts.includes(host)
      ? []
      : [`host ${host} is gone`]),
  ]
}

/** What of a NIC's place on the wire others have by now. Pure. */
function clashesOf(port: string, had: PortSpec, catalogue: Catalogue): readonly string[] {
  return catalogue.list('Port').flatMap(({ manifest: { name, spec } }) => {
    const isSameWire = spec.portGroup === had.portGroup
    const shared = [...had.ipv4, ...had.ipv6].filter(
      (address) => isSameWire && [...spec.ipv4, ...spec.ipv6].includes(address),
    )
    const what = [...(spec.mac === had.mac ? [`MAC ${had.mac}`] : []), ...shared]
    return what.map((one) => `${one} of its NIC ${port} is that of ${name} now`)
  })
}

/** Device names and the conntrack zone are nobody's business but the host's: others will do. */
function identified(
  port: string,
  had: PortSpec,
  catalogue: Catalogue,
  returning: ReadonlyMap<string, PortSpec>,
): PortSpec {
  const others = [
    ...catalogue.list('Port').map(({ manifest }) => manifest.spec),
    ...returning.values(),
  ]
  const zones = new Set(others.map(({ conntrackZone }) => conntrackZone))
  const keys = new Set(others.map(({ deviceKey }) => deviceKey))
  let { conntrackZone, deviceKey } = had
  for (let zone = 1; zones.has(conntrackZone); zone++) conntrackZone = zone
  for (let round = 1; keys.has(deviceKey); round++) {
    deviceKey = shortHash(`device ${port} back ${round}`, 8)
  }
  return { ...had, conntrackZone, deviceKey }
}
