import type { Problem } from '@purlin/base'
import type { Kind, Manifest } from '../resources/kinds.ts'
import { checkDocument } from './document.ts'
import { referencesOf } from './references.ts'

/** A whole manifest after checking: all documents, or every problem found, in document order. */
export type CheckedManifest =
  | { readonly manifests: readonly Manifest[]; readonly problems: readonly [] }
  | { readonly manifests?: undefined; readonly problems: readonly Problem[] }

/** Names that exist already, by kind; what a manifest may refer to beside its own documents. */
export type KnownNames = (kind: Kind, name: string) => Manifest | undefined

/** Checks the documents of a manifest together: each against its schema, names unique, references
 *  met by the manifest or by `known`, volumes and snapshots without a cycle. Groups may name each
 *  other and themselves. `known` absent: references are checked against the manifest alone.
 *  Pure. Shape: `documents` as parsed from YAML or JSON, one a document. */
export function checkManifest(
  documents: readonly unknown[],
  known: KnownNames = () => undefined,
): CheckedManifest {
  const problems: Problem[] = []
  const manifests = new Map<number, Manifest>()
  documents.forEach((document, index) => {
    const checked = checkDocument(document)
    if (checked.manifest) manifests.set(index, checked.manifest)
    else problems.push(...checked.problems.map((problem) => ({ ...problem, document: index })))
  })
  const named = namesOf(documents)
  problems.push(
    ...duplicates(documents),
    ...missing(manifests, named, known),
    ...cycles(manifests, known),
  )
  if (problems.length === 0) return { manifests: [...manifests.values()], problems: [] }
  return { problems: problems.toSorted((a, b) => (a.document ?? 0) - (b.document ?? 0)) }
}

/** Kind and name of every document, also of those with other problems, so that one mistake is not
 *  reported again at every place that refers to it. */
function namesOf(documents: readonly unknown[]): Set<string> {
  return new Set(documents.map(identityOf).filter((identity) => identity !== undefined))
}

function identityOf(document: unknown): string | undefined {
  if (typeof document !== 'object' || document === null) return undefined
  const { kind, name } = document as { kind?: unknown; name?: unknown }
  return typeof kind === 'string' && typeof name === 'string' ? `${kind}/${name}` : undefined
}

function duplicates(documents: readonly unknown[]): Problem[] {
  const first = new Map<string, number>()
  return documents.flatMap((document, index): Problem[] => {
    const identity = identityOf(document)
    if (identity === undefined) return []
    const earlier = first.get(identity)
    if (earlier === undefined) {
      first.set(identity, index)
      return []
    }
    const [kind, name] = identity.split('/')
    const message = `duplicate name: document ${earlier} is already ${kind} ${name} (documents from 0)`
    return [{ document: index, path: 'name', message }]
  })
}

function missing(
  manifests: ReadonlyMap<number, Manifest>,
  named: ReadonlySet<string>,
  known: KnownNames,
): Problem[] {
  return [...manifests].flatMap(([index, manifest]) =>
    referencesOf(manifest)
      .filter(({ kind, name }) => !named.has(`${kind}/${name}`) && known(kind, name) === undefined)
      .map(({ kind, name, path }) => ({
        document: index,
        path,
        message: `no ${kind} named ${name}`,
      })),
  )
}

function cycles(manifests: ReadonlyMap<number, Manifest>, known: KnownNames): Problem[] {
  const own = new Map([...manifests.values()].map((each) => [`${each.kind}/${each.name}`, each]))
  const parentOf = (manifest: Manifest): Manifest | undefined => {
    const parent = referencesOf(manifest).find(
      ({ kind }) =>
        (manifest.kind === 'Volume' && kind === 'Snapshot') || manifest.kind === 'Snapshot',
    )
    return parent && (own.get(`${parent.kind}/${parent.name}`) ?? known(parent.kind, parent.name))
  }
  return [...manifests].flatMap(([index, manifest]): Problem[] => {
    if (manifest.kind !== 'Volume') return []
    const walk = [`Volume ${manifest.name}`]
    const seen = new Set<string>()
    for (let next = parentOf(manifest); next; next = parentOf(next)) {
      walk.push(`${next.kind} ${next.name}`)
      if (next.kind === 'Volume' && next.name === manifest.name) {
        return [
          { document: index, path: 'spec.source.snapshot', message: `cycle: ${walk.join(' <- ')}` },
        ]
      }
      if (seen.has(`${next.kind}/${next.name}`)) return []
      seen.add(`${next.kind}/${next.name}`)
    }
    return []
  })
}
