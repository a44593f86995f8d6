import type { Problem } from '@purlin/base'
import type { Manifest } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'

/** A machine that was taken in keeps its UUID, also where a manifest does not name it. Pure. */
export function withUuid(catalogue: Catalogue, manifest: Manifest): Manifest {
  if (manifest.kind !== 'VirtualMachine' || manifest.spec.uuid !== undefined) return manifest
  const uuid = catalogue.get('VirtualMachine', manifest.name)?.manifest.spec.uuid
  return uuid === undefined ? manifest : { ...manifest, spec: { ...manifest.spec, uuid } }
}

/** A machine keeps the domain that it has, and no two have one. Pure. */
export function misusedUuids(catalogue: Catalogue, manifests: readonly Manifest[]): Problem[] {
  const changed = new Set(manifests.map(({ kind, name }) => `${kind}/${name}`))
  const others = catalogue
    .list('VirtualMachine')
    .map(({ manifest }) => manifest)
    .filter(({ kind, name }) => !changed.has(`${kind}/${name}`))
  return manifests.flatMap((manifest, document): Problem[] => {
    if (manifest.kind !== 'VirtualMachine') return []
    const { name, spec } = manifest
    const problem = (message: string): Problem[] => [{ document, path: 'spec.uuid', message }]
    const standing = catalogue.get('VirtualMachine', name)?.manifest.spec
    if (standing !== undefined && spec.uuid !== undefined && standing.uuid !== spec.uuid) {
      const is = standing.uuid ?? 'one of its own'
      return problem(`machine ${name} keeps its UUID, ${is}: leave this field out`)
    }
    const machines = [...others, ...manifests.slice(0, document)]
    const other = machines.find((one) => {
      return one.kind === 'VirtualMachine' && spec.uuid !== undefined && one.spec.uuid === spec.uuid
    })
    return other === undefined ? [] : problem(`machine ${other.name} has this UUID already`)
  })
}
