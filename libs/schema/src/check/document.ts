import type { Problem } from '@purlin/base'
import type { z } from 'zod'
import { isKind, kindNames, kinds, type Manifest } from '../resources/kinds.ts'

/** The outcome for one document: the checked manifest, or what is wrong with it. */
export type CheckedDocument =
  | { readonly manifest: Manifest; readonly problems?: undefined }
  | { readonly manifest?: undefined; readonly problems: readonly Problem[] }

/** Checks one document of a manifest against the schema of its kind. Pure. Each problem names its
 *  path. */
export function checkDocument(document: unknown): CheckedDocument {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return { problems: [{ path: '', message: 'must be a mapping with kind, name and spec' }] }
  }
  const kind = 'kind' in document ? document.kind : undefined
  if (typeof kind !== 'string') {
    return { problems: [{ path: 'kind', message: `is missing; known kinds: ${writableKinds()}` }] }
  }
  if (!isKind(kind)) {
    return {
      problems: [
        { path: 'kind', message: `unknown kind ${kind}; known kinds: ${writableKinds()}` },
      ],
    }
  }
  if ('observed' in kinds[kind]) {
    return {
      problems: [{ path: 'kind', message: `${kind} is written by the agent alone; leave it out` }],
    }
  }
  const parsed = kinds[kind].manifest.safeParse(document)
  if (parsed.success) return { manifest: parsed.data as Manifest }
  return { problems: parsed.error.issues.flatMap((issue) => problemsOfIssue(issue, [])) }
}

/** The problems of one zod issue; an unknown field gets a problem of its own, at its own path. */
export function problemsOfIssue(
  issue: z.core.$ZodIssue,
  parent: readonly PropertyKey[],
): Problem[] {
  const path = [...parent, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathText([...path, key]), message: 'unknown field' }))
  }
  if (issue.code === 'invalid_union') {
    const shallow = issue.errors.filter((branch) => branch.some((inner) => inner.path.length > 0))
    if (shallow.length === 1 && shallow[0])
      return shallow[0].flatMap((inner) => problemsOfIssue(inner, path))
    const messages = issue.errors.flatMap((branch) => branch.map((inner) => inner.message))
    return [{ path: pathText(path), message: [...new Set(messages)].join(', or ') }]
  }
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
  return [{ path: pathText(path), message: missing ? 'is missing' : lowerFirst(issue.message) }]
}

/** `spec.inbound[0].source.cidrs[1]`: the way a person would write it; indices from 0. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}

function writableKinds(): string {
  return kindNames.filter((kind) => !('observed' in kinds[kind])).join(', ')
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}
