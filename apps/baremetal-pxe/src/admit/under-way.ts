import { isDeepStrictEqual } from 'node:util'
import { type Problem, PurlinError } from '@purlin/base'
import { chassisAtRest, type Manifest } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import type { Life } from '../life/life.ts'

export type LifeOf = (chassis: string) => Life | undefined

/** What of these documents would change under work that goes on, or under a system that runs: an
 *  instance is what it was installed as, and a chassis stays where it is while it works. Pure. */
export function changesUnderWay(
  catalogue: Catalogue,
  manifests: readonly Manifest[],
  lifeOf: LifeOf,
): readonly Problem[] {
  return manifests.flatMap((manifest, document): Problem[] => {
    if (manifest.kind === 'BareMetalInstance') {
      return instanceChanges(catalogue, manifest, lifeOf).map((one) => ({ document, ...one }))
    }
    if (manifest.kind !== 'Chassis') return []
    return chassisChanges(catalogue, manifest, lifeOf).map((one) => ({ document, ...one }))
  })
}

function instanceChanges(
  catalogue: Catalogue,
  { name, spec }: Extract<Manifest, { kind: 'BareMetalInstance' }>,
  lifeOf: LifeOf,
): Problem[] {
  const standing = catalogue.get('BareMetalInstance', name)
  if (standing === undefined) return []
  const before = standing.manifest.spec
  const life = lifeOf(before.chassis)
  const isIts = life?.deployment?.uid === standing.uid && life.state !== 'failed'
  const fields = ['chassis', 'template', 'source', 'hostname', 'service'] as const
  return fields
    .filter((field) => field === 'chassis' || isIts)
    .filter((field) => !isDeepStrictEqual(plain(before[field]), plain(spec[field])))
    .map((field) => {
      const where = field === 'chassis' ? '' : `, and chassis ${before.chassis} is ${life?.state}`
      const message = `an instance is what it was asked for${where}; delete it and apply another`
      return { path: `spec.${field}`, message }
    })
}

function chassisChanges(
  catalogue: Catalogue,
  { name, spec }: Extract<Manifest, { kind: 'Chassis' }>,
  lifeOf: LifeOf,
): Problem[] {
  const before = catalogue.get('Chassis', name)?.manifest.spec
  const life = lifeOf(name)
  if (before === undefined || life === undefined || chassisAtRest(life.state)) return []
  const fields = ['bootMac', 'firmware', 'network', 'address'] as const
  return fields
    .filter((field) => before[field] !== spec[field])
    .map((field) => {
      const message = `chassis ${name} is ${life.state}; cancel that or wait until it is at rest`
      return { path: `spec.${field}`, message }
    })
}

/** Lets a chassis go that nothing is done with. Pure. Errors: PUR_RESOURCE_IN_USE. */
export function refuseBusyChassis(name: string, lifeOf: LifeOf): void {
  const life = lifeOf(name)
  if (life === undefined || chassisAtRest(life.state)) return
  const message = `Chassis ${name} is ${life.state}; cancel that or wait until it is at rest, then delete it`
  throw new PurlinError('PUR_RESOURCE_IN_USE', { message, context: { state: life.state } })
}

/** As the store would give it back: absent and undefined are the same. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}
