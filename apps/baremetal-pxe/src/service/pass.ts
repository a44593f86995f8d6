import { type PurlinError, toPurlinError } from '@purlin/base'
import type { BootHost } from '@purlin/boot-service'
import { chassisAtRest } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import type { Store } from '@purlin/store'
import { type AllottedAddress, allotAddresses } from '../admit/addresses.ts'
import type { Conductor, Life } from '../life/index.ts'
import type { ContentStore, WantedContents } from '../media/index.ts'
import type { DaemonView } from '../status/daemon-view.ts'
import { sourceWait } from '../status/readiness.ts'
import { ADDRESS_PREFIX, readAddresses } from './address-records.ts'
import type { WantedNetwork } from './boot-network.ts'
import { RELEASE_PREFIX, type ReleaseRecord, releaseKey } from './release-records.ts'

export interface PassGrounds {
  readonly store: Pick<Store, 'list' | 'transact'>
  readonly catalogue: () => Catalogue
  readonly lives: Pick<Conductor, 'enrol' | 'forget' | 'request' | 'lifeOf' | 'lives'>
  readonly content: Pick<ContentStore, 'want'>
  readonly contentOf: DaemonView['contentOf']
  /** Brings networks about; those that are not among them end. */
  readonly networks: (wanted: ReadonlyMap<string, WantedNetwork>) => void
  /** Addresses of this host. */
  readonly ownAddresses: () => Promise<readonly string[]>
  /** Wall time until which unknown machines are answered on a network. */
  readonly enrolUntilMs: (network: string) => number | undefined
  /** An instance whose chassis is free again. */
  readonly onReleased: (instance: string) => Promise<void>
  readonly onTrouble: (what: string, thrown: unknown) => void
}

/** What the last pass found beside what lives know themselves. */
export interface PassFindings {
  readonly addresses: ReadonlyMap<string, AllottedAddress>
  readonly releases: ReadonlyMap<string, ReleaseRecord>
  /** Why the life of its chassis did not take an instance up, by instance. */
  readonly refusals: ReadonlyMap<string, PurlinError>
}

export const NO_FINDINGS: PassFindings = {
  addresses: new Map(),
  releases: new Map(),
  refusals: new Map(),
}

/** Brings what is wanted to those who bring it about: networks, contents, lives of chassis. Asking
 *  twice changes nothing, so a pass may be made at any time. */
export async function makePass(grounds: PassGrounds): Promise<PassFindings> {
  const catalogue = grounds.catalogue()
  const addresses = await allAddresses(grounds, catalogue)
  grounds.networks(wantedNetworks(catalogue, addresses, grounds.enrolUntilMs))
  grounds.content.want(wantedContents(catalogue))
  await enrolAll(grounds, catalogue)
  const releases = await releaseAll(grounds)
  const refusals = await deployAll(grounds, catalogue, releases)
  return { addresses, releases, refusals }
}

/** The addresses of all chassis. Admission gives them out; a chassis of a restored state, which has
 *  none, gets its own here. */
async function allAddresses(
  { store, ownAddresses }: PassGrounds,
  catalogue: Catalogue,
): Promise<ReadonlyMap<string, AllottedAddress>> {
  const standing = await readAddresses(store)
  const chassis = catalogue.list('Chassis').map(({ manifest }) => manifest)
  if (chassis.every(({ name, spec }) => standing.get(name)?.network === spec.network)) {
    return standing
  }
  const networks = catalogue.list('DeploymentNetwork').map(({ manifest }) => manifest)
  const { addresses } = allotAddresses({ networks, chassis, standing, own: await ownAddresses() })
  const missing = [...addresses].filter(([name, { network }]) => {
    return standing.get(name)?.network !== network
  })
  const writes = missing.map(([name, value]) => ({ put: `${ADDRESS_PREFIX}${name}`, value }))
  if (writes.length > 0) await store.transact({ writes })
  return addresses
}

/** The media and images that resources name. Pure. */
export function wantedContents(catalogue: Catalogue): WantedContents {
  return {
    media: new Map(
      catalogue.list('InstallMedia').map(({ manifest: { name, spec } }) => [name, spec]),
    ),
    images: new Map(catalogue.list('Image').map(({ manifest: { name, spec } }) => [name, spec])),
  }
}

function wantedNetworks(
  catalogue: Catalogue,
  addresses: ReadonlyMap<string, AllottedAddress>,
  enrolUntilMs: PassGrounds['enrolUntilMs'],
): ReadonlyMap<string, WantedNetwork> {
  const hostsOf = (network: string): BootHost[] =>
    catalogue.list('Chassis').flatMap(({ manifest: { name, spec } }): BootHost[] => {
      const allotted = addresses.get(name)
      if (spec.network !== network || allotted?.network !== network) return []
      return [{ mac: spec.bootMac, address: allotted.address, name }]
    })
  return new Map(
    catalogue.list('DeploymentNetwork').map(({ manifest: { name, spec } }) => {
      const until = enrolUntilMs(name)
      const wanted = { spec, hosts: hostsOf(name), ...(until && { enrolUntilMs: until }) }
      return [name, wanted]
    }),
  )
}

async function enrolAll(grounds: PassGrounds, catalogue: Catalogue): Promise<void> {
  const { lives, onTrouble } = grounds
  const records = catalogue.list('Chassis')
  const named = new Set(records.map(({ manifest }) => manifest.name))
  for (const { chassis } of lives.lives()) {
    if (named.has(chassis)) continue
    await lives.forget(chassis).catch((thrown) => onTrouble(`chassis ${chassis} is kept`, thrown))
  }
  for (const { manifest, uid } of records) {
    const { name, spec } = manifest
    try {
      const trustsMac = spec.identity?.trustMac === true
      await lives.enrol({ name, uid, bootMac: spec.bootMac, firmware: spec.firmware, trustsMac })
      const life = lives.lifeOf(name)
      // One that was given up stays so; one that was never asked was cut off at its enrolment.
      if (life?.state !== 'enrolled' || life.transitions > 0) continue
      await lives.request(name, { ask: 'verify' })
    } catch (thrown) {
      onTrouble(`chassis ${name} is not enrolled`, thrown)
    }
  }
}

/** Goes on with the releases of deleted instances. One that failed is left to a person, who tries
 *  again; it is not begun anew by itself. */
async function releaseAll(grounds: PassGrounds): Promise<ReadonlyMap<string, ReleaseRecord>> {
  const { store, lives, onReleased, onTrouble } = grounds
  const { entries } = await store.list(RELEASE_PREFIX)
  const releases = new Map(
    entries.map(({ key, value }) => [key.slice(RELEASE_PREFIX.length), value as ReleaseRecord]),
  )
  for (const [chassis, release] of releases) {
    try {
      const life = lives.lifeOf(chassis)
      if (life !== undefined && isOf(life, release)) {
        const failedSince = life.state === 'failed' && (life.failure?.atMs ?? 0) >= release.atMs
        if (failedSince) continue
        const { uid, erase: erasure } = release
        await lives.request(chassis, { ask: 'release', uid, erasure })
      }
      const now = lives.lifeOf(chassis)
      if (now !== undefined && (isOf(now, release) || !isFree(now))) continue
      await onReleased(release.instance)
      await store.transact({ writes: [{ delete: releaseKey(chassis) }] })
      releases.delete(chassis)
    } catch (thrown) {
      onTrouble(`instance ${release.instance} is not released`, thrown)
    }
  }
  return releases
}

function isOf({ deployment, wish }: Life, { uid }: ReleaseRecord): boolean {
  return deployment?.uid === uid || wish?.uid === uid
}

function isFree({ state, eraseOwed, pending }: Life): boolean {
  return chassisAtRest(state) && eraseOwed !== true && pending.length === 0
}

async function deployAll(
  { lives, contentOf, onTrouble }: PassGrounds,
  catalogue: Catalogue,
  releases: ReadonlyMap<string, ReleaseRecord>,
): Promise<ReadonlyMap<string, PurlinError>> {
  const refusals = new Map<string, PurlinError>()
  for (const { manifest, uid, generation } of catalogue.list('BareMetalInstance')) {
    const { name, spec } = manifest
    const life = lives.lifeOf(spec.chassis)
    if (life === undefined || releases.has(spec.chassis)) continue
    if (life.deployment?.uid === uid && life.state !== 'failed') continue
    if (sourceWait(spec, { contentOf }) !== undefined) continue
    try {
      await lives.request(spec.chassis, { ask: 'deploy', instance: name, uid, generation })
    } catch (thrown) {
      const error = toPurlinError(thrown)
      refusals.set(name, error)
      if (error.code !== 'PUR_LIFE_REFUSED') onTrouble(`instance ${name} is not begun`, thrown)
    }
  }
  return refusals
}
