import test from 'ava'
import { Compiler } from '../compile/compiler.ts'
import { type FlatList, flatten } from '../flatten.ts'
import type { Direction } from '../policy/desired.ts'
import { hostObjects } from '../target/host-objects.ts'
import { listStem, markClass } from '../target/names.ts'
import { objectKey, type TableObjects } from '../target/statement.ts'
import { Generator } from '../testing/generator.ts'
import { randomDesired } from '../testing/random-policy.ts'
import { sampleDesired } from '../testing/sample.ts'
import { difference } from './compare.ts'
import { spaceOfChain } from './of-chain.ts'
import { spaceOfForm } from './of-form.ts'
import { type PacketSpace, spaceOfList } from './space.ts'

const seed = Number(process.env.PURLIN_SEED ?? Date.now() % 1_000_000_007)
const families = ['ipv4', 'ipv6'] as const
const directions: readonly Direction[] = ['inbound', 'outbound']

test("the kernel's chains of both forms are proved equal to the policy of each NIC", (t) => {
  const random = new Generator(seed)
  for (let policy = 0; policy < 40; policy++) {
    const desired = randomDesired(random)
    for (const form of ['linear', 'identity'] as const) {
      const objects = hostObjects(new Compiler({ form }).compile(desired), () => 0)
      for (const nic of desired.nics.filter(({ filtered }) => filtered)) {
        for (const direction of directions) {
          const mark = markClass[direction] + nic.zone
          for (const family of families) {
            const meant = spaceOfList(flatten(nic, direction, desired), family, { open: true })
            const loaded = spaceOfChain(objects, 'inet/base-filter', family, { mark })
            const found = difference(meant, loaded)
            t.is(found, undefined, `PURLIN_SEED=${seed} policy ${policy} ${form} ${direction}`)
          }
        }
      }
    }
  }
})

test('a chain of a list decides by the rules of its form', (t) => {
  const random = new Generator(seed)
  for (let policy = 0; policy < 40; policy++) {
    const compiled = new Compiler({ form: 'identity' }).compile(randomDesired(random))
    const objects = hostObjects(compiled, () => 0)
    for (const list of compiled.lists.values()) {
      for (const family of families) {
        const unlogged = spaceOfForm(list[family], compiled, family).diagram
        const loaded = spaceOfChain(objects, `inet/${listStem(list.key)}_0`, family)
        const found = difference({ family, diagram: unlogged }, loaded, 'rule')
        const same = found === undefined || found.one?.id === found.other?.id
        t.true(same, `PURLIN_SEED=${seed} policy ${policy}`)
      }
    }
  }
})

test('one element taken out of any map of a list is found, with a packet', (t) => {
  const compiled = new Compiler({ form: 'identity' }).compile(sampleDesired)
  const objects = hostObjects(compiled, () => 0)
  let byVerdict = 0
  for (const set of objects.sets.values()) {
    // Other maps also hold what would be of members with addresses that nobody has at present.
    if (!/^class-|-address$|-any-[a-z]+$/.test(set.name)) continue
    for (const key of set.elements.keys()) {
      const elements = new Map([...set.elements].filter(([one]) => one !== key))
      const sets = new Map([...objects.sets, [objectKey(set), { ...set, elements }]])
      const changed = { ...objects, sets }
      if (differsFromPolicy(changed)) byVerdict++
      // What an element decided may be decided alike by what lies behind it, but by another rule.
      else t.true(differ(objects, changed), `${set.name} without ${key}`)
    }
  }
  t.true(byVerdict > 10)
})

function eachSpace(
  objects: TableObjects,
  call: (loaded: PacketSpace, list: FlatList, mark: number) => boolean,
): boolean {
  return sampleDesired.nics
    .filter(({ filtered }) => filtered)
    .some((nic) =>
      directions.some((direction) =>
        families.some((family) => {
          const mark = markClass[direction] + nic.zone
          const loaded = spaceOfChain(objects, 'inet/base-filter', family, { mark })
          return call(loaded, flatten(nic, direction, sampleDesired), mark)
        }),
      ),
    )
}

function differsFromPolicy(objects: TableObjects): boolean {
  return eachSpace(objects, (loaded, list) => {
    const meant = spaceOfList(list, loaded.family, { open: true })
    return difference(meant, loaded) !== undefined
  })
}

function differ(one: TableObjects, other: TableObjects): boolean {
  return eachSpace(other, (loaded, _, mark) => {
    const before = spaceOfChain(one, 'inet/base-filter', loaded.family, { mark })
    return difference(before, loaded, 'rule') !== undefined
  })
}

test('a statement that no rule of ours has is refused rather than guessed', (t) => {
  const objects: TableObjects = {
    chains: new Map([
      [
        'inet/list',
        {
          table: 'inet',
          name: 'list',
          rules: [
            {
              id: 'web/inbound/0',
              statements: [
                { kind: 'limit', packetsPerSecond: 1, burstPackets: 1 },
                { kind: 'verdict', to: { verdict: 'accept' } },
              ],
            },
          ],
        },
      ],
    ]),
    sets: new Map(),
  }
  t.throws(() => spaceOfChain(objects, 'inet/list', 'ipv4'), { code: 'PUR_NFT_UNREADABLE' })
  t.throws(() => spaceOfChain(objects, 'inet/none', 'ipv4'), { code: 'PUR_NFT_UNREADABLE' })
})
