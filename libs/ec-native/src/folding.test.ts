import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { ecAddon } from './addon.ts'
import { foldedGeometry, referencePolicies, spreadShards, survives } from './index.ts'

test('the reference’s policies need 3, 6, 11, 3, 5 and 9 fault domains', (t) => {
  t.deepEqual(
    referencePolicies.map((policy) => foldedGeometry(policy).domainsMin),
    [3, 6, 11, 3, 5, 9],
  )
  t.deepEqual(foldedGeometry('4+2:1'), {
    ...{ dataShards: 4, parityShards: 2, domainFailures: 1, shardsPerDomain: 2, domainsMin: 3 },
  })
})

test('a folded stripe survives its domains or its parity’s worth of disks, not both', (t) => {
  const folded = foldedGeometry('4+2:1')
  t.deepEqual(spreadShards(folded, 4), [2, 2, 1, 1])
  t.is(spreadShards(folded, 2), undefined)
  t.true(survives(folded, 1, 0) && survives(folded, 0, 2))
  t.false(survives(folded, 1, 1) || survives(folded, 0, 3))
})

const counts = fc.oneof(fc.nat(40), fc.nat(300), fc.bigInt(0n, 2n ** 70n))
const texts = fc.oneof(
  fc.tuple(counts, counts, counts).map(([k, m, b]) => `${k}+${m}:${b}`),
  fc.tuple(fc.nat(20), fc.nat(6), fc.nat(7)).map(([k, m, b]) => `${k}+${m}:${b}`),
  fc.tuple(counts, counts).map(([k, m]) => `${k}+${m}`),
  fc.stringMatching(/^[0-9+: x-]{0,9}$/),
  fc.string(),
)

test('TypeScript and Rust give the same answers', (t) => {
  const addon = ecAddon()
  const both = (policy: string) => {
    const theirs = addon.foldPolicy(policy)
    if ('code' in theirs) {
      const error = t.throws(() => foldedGeometry(policy), { instanceOf: PurlinError })
      t.is(error?.code, theirs.code as 'PUR_EC_INVALID')
      return
    }
    const ours = foldedGeometry(policy)
    t.deepEqual(ours, theirs)
    for (let domains = 0; domains < ours.domainsMin + 4; domains += 1) {
      t.deepEqual(spreadShards(ours, domains) ?? null, addon.foldingSpread(policy, domains))
      for (const shards of [0, 1, 2, 5]) {
        t.is(survives(ours, domains, shards), addon.foldingSurvives(policy, domains, shards))
      }
    }
  }
  for (let k = 1; k <= 24; k += 1) {
    for (let m = 1; m <= 8; m += 1) {
      for (let b = 0; b <= m + 1; b += 1) both(`${k}+${m}:${b}`)
    }
  }
  fc.assert(fc.property(texts, both), { numRuns: 500 })
})
