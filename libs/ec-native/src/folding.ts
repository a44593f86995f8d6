import { invalid } from './errors.ts'
import { type Shape, shapeText } from './shape.ts'

/** A policy K+M:B worked out: K data and M parity shards, folded over so few fault domains that B
 *  of them may fail. From folded to standard placement shards only move; the code is the same. */
export interface FoldedGeometry extends Shape {
  /** B: how many domains may fail at once. */
  readonly domainFailures: number
  /** The most shards of a stripe that one domain may hold: floor(M / B). */
  readonly shardsPerDomain: number
  /** The least number of domains: ceil((K + M) / floor(M / B)). */
  readonly domainsMin: number
}

/** The reference's policies: standard ones with a shard for each domain, and folded ones. */
export const referencePolicies = ['2+1', '4+2', '8+3', '4+2:1', '8+2:1', '16+2:1'] as const

const POLICY = /^(\d+)\+(\d+)(?::(\d+))?$/
const WORD_MAX = 2n ** 64n - 1n

/** Works out a policy, `K+M:B` or `K+M` (which is `K+M:M`): `4+2:1` needs 3 domains of at most
 *  2 shards each. Pure; the crate's `Folding` gives the same answers.
 *  Errors: PUR_EC_INVALID for a text that is no policy, counts out of their range, or a B that M
 *  parity shards cannot survive. */
export function foldedGeometry(policy: string): FoldedGeometry {
  const match = typeof policy === 'string' ? POLICY.exec(policy) : null
  const numbers = match?.slice(1).map((text) => (text === undefined ? undefined : BigInt(text)))
  const [data, parity, failures = parity] = numbers ?? []
  const inRange = [data, parity, failures].every((each) => each !== undefined && each <= WORD_MAX)
  if (!inRange) throw invalid(`${quoted(policy)} is no policy: write K+M or K+M:B, as in 4+2:1`)
  const shape = { dataShards: Number(data), parityShards: Number(parity) }
  const { dataShards, parityShards } = shape
  if (dataShards < 1 || parityShards < 1 || dataShards + parityShards > 256) {
    throw invalid(
      `cannot make a codec of ${dataShards} data and ${parityShards} parity shards: each must be ` +
        'at least 1 and their sum at most 256',
    )
  }
  const domainFailures = Number(failures)
  if (domainFailures < 1 || domainFailures > parityShards) {
    throw invalid(
      `${shapeText(shape)}:${domainFailures} cannot be placed: ${parityShards} parity shards ` +
        `cannot survive ${domainFailures} fault domains; ask for 1 to ${parityShards}`,
    )
  }
  const shardsPerDomain = Math.floor(parityShards / domainFailures)
  const domainsMin = Math.ceil((dataShards + parityShards) / shardsPerDomain)
  return { ...shape, domainFailures, shardsPerDomain, domainsMin }
}

/** Whether every stripe outlives the loss of any `domains` domains and any `shards` shards (disks)
 *  outside them, however its shards lie within the bounds. Pure. */
export function survives(geometry: FoldedGeometry, domains: number, shards: number): boolean {
  return domains * geometry.shardsPerDomain + shards <= geometry.parityShards
}

/** How many shards of a stripe each of `domains` domains holds when they are spread as evenly as
 *  possible, the fuller ones first; undefined where there are too few domains. Pure. */
export function spreadShards(
  { dataShards, parityShards, domainsMin }: FoldedGeometry,
  domains: number,
): readonly number[] | undefined {
  if (!Number.isSafeInteger(domains) || domains < domainsMin) return undefined
  const total = dataShards + parityShards
  const least = Math.floor(total / domains)
  return Array.from({ length: domains }, (_, i) => (i < total % domains ? least + 1 : least))
}

function quoted(policy: unknown): string {
  return typeof policy === 'string' ? `“${policy}”` : typeof policy
}
