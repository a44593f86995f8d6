import type { EraseDepth } from '@purlin/schema'

/** Instances that were deleted and whose chassis is not free yet, by chassis. */
export const RELEASE_PREFIX = '/release/'

/** Written in the transaction that deletes an instance; gone once its chassis was erased. */
export interface ReleaseRecord {
  readonly instance: string
  readonly uid: string
  readonly erase: EraseDepth
  readonly atMs: number
}

/** Where the release of a chassis stands. */
export function releaseKey(chassis: string): string {
  return `${RELEASE_PREFIX}${chassis}`
}
