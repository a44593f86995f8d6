import type { Kind, Manifest } from '@purlin/schema'

/** What the store keeps of a resource; its revision is the store entry's own. */
export interface ResourceRecord<K extends Kind = Kind> {
  readonly manifest: Manifest<K>
  readonly uid: string
  readonly generation: number
  readonly createdAtMs: number
}

/** A record with the revision it was read at. */
export interface StoredRecord<K extends Kind = Kind> extends ResourceRecord<K> {
  readonly revision: number
}

export const RESOURCE_PREFIX = '/resource/'
/** Written with every change of a resource, whoever makes it: its revision is that of the last. */
export const RESOURCE_HEAD = '/resource-head'
/** What the head and all resources begin with. */
export const RESOURCE_ROOT = '/resource'

/** Key of a resource in the store. */
export function resourceKey(kind: Kind, name: string): string {
  return `${RESOURCE_PREFIX}${kind}/${name}`
}
