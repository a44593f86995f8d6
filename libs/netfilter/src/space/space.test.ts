import test from 'ava'
import { Compiler } from '../compile/compiler.ts'
import { decide } from '../compile/evaluate.ts'
import { flatten } from '../flatten.ts'
import { interpret } from '../interpret.ts'
import type { Direction } from '../policy/desired.ts'
import { Generator } from '../testing/generator.ts'
import { boundariesOf, randomPacket } from '../testing/random-packet.ts'
import { randomDesired, withMemberChange } from '../testing/random-policy.ts'
import { difference, regions } from './compare.ts'
import { spaceOfForm } from './of-form.ts'
import { decisionOf, spaceOfList } from './space.ts'

const seed = Number(process.env.PURLIN_SEED ?? Date.now() % 1_000_000_007)
const families = ['ipv4', 'ipv6'] as const
const directions: readonly Direction[] = ['inbound', 'outbound']

test('every packet there is: both forms are proved equal to the list, rule by rule', (t) => {
  const random = new Generator(seed)
  for (let policy = 0; policy < 100; policy++) {
    const desired = withMemberChange(random, randomDesired(random))
    for (const form of ['linear', 'identity'] as const) {
      const ruleset = new Compiler({ form }).compile(desired)
      for (const nic of desired.nics.filter(({ filtered }) => filtered)) {
        const keys = ruleset.nics.find(({ port }) => port === nic.port)?.lists
        for (const direction of directions) {
          const list = ruleset.lists.get(keys?.[direction] ?? '')
          for (const family of families) {
            const meant = spaceOfList(flatten(nic, direction, desired), family)
            const made = list && spaceOfForm(list[family], ruleset, family)
            const found = made && difference(meant, made, 'rule')
            t.is(found, undefined, `PURLIN_SEED=${seed} policy ${policy} ${form}`)
          }
        }
      }
    }
  }
})

test('a space decides a packet as the interpreter does', (t) => {
  const random = new Generator(seed)
  for (let policy = 0; policy < 50; policy++) {
    const desired = randomDesired(random)
    const boundaries = boundariesOf(desired)
    for (const nic of desired.nics) {
      for (const direction of directions) {
        const list = flatten(nic, direction, desired)
        const spaces = {
          ipv4: spaceOfList(list, 'ipv4', { open: true }),
          ipv6: spaceOfList(list, 'ipv6', { open: true }),
        }
        for (let at = 0; at < 100; at++) {
          const packet = randomPacket(random, boundaries)
          const expected = interpret(list, packet) === 'allow' ? 'accept' : 'drop'
          t.is(decisionOf(spaces[packet.family], packet)?.verdict, expected, `PURLIN_SEED=${seed}`)
        }
      }
    }
  }
})

test('the witness of a difference is a packet that is decided differently', (t) => {
  const random = new Generator(20_261_121)
  let witnesses = 0
  for (let policy = 0; policy < 60; policy++) {
    const one = randomDesired(random)
    const other = { ...one, groups: randomDesired(random).groups }
    const [nic] = one.nics
    if (nic === undefined) continue
    for (const direction of directions) {
      for (const family of families) {
        const lists = [flatten(nic, direction, one), flatten(nic, direction, other)] as const
        const spaces = lists.map((list) => spaceOfList(list, family, { open: true }))
        const [before, after] = spaces
        const found = before && after && difference(before, after)
        if (found === undefined) continue
        witnesses++
        t.not(interpret(lists[0], found.packet), interpret(lists[1], found.packet))
      }
    }
  }
  t.true(witnesses > 50)
})

test('regions hold every packet that is decided differently, and no other', (t) => {
  const random = new Generator(20_261_121)
  const desired = randomDesired(random)
  const others = Array.from({ length: 10 }, () => randomDesired(random))
  for (const { groups } of others) {
    const after = { ...desired, groups }
    for (const nic of desired.nics) {
      const lists = [flatten(nic, 'inbound', desired), flatten(nic, 'inbound', after)] as const
      const [was, is] = lists.map((list) => spaceOfList(list, 'ipv4'))
      if (was === undefined || is === undefined) continue
      const found = regions(was, is)
      t.true(found.complete)
      const boundaries = boundariesOf(after)
      for (let at = 0; at < 200; at++) {
        const packet = randomPacket(random, boundaries)
        if (packet.family !== 'ipv4') continue
        const detail = packet.icmp
          ? packet.icmp.type * 256 + packet.icmp.code
          : (packet.destinationPort ?? 65_536)
        const values = { ...packet, state: 0, sourcePort: packet.sourcePort ?? 65_536, detail }
        const inside = found.regions.filter(({ box }) =>
          Object.entries(box).every(([level, ranges]) =>
            ranges.some(({ first, last }) => {
              const value = values[level as keyof typeof box]
              return first <= value && value <= last
            }),
          ),
        )
        const [before, now] = [decisionOf(was, packet), decisionOf(is, packet)]
        t.is(inside.length, before?.verdict === now?.verdict ? 0 : 1)
        if (inside[0] === undefined) continue
        t.deepEqual([inside[0].before, inside[0].after], [before, now])
      }
    }
  }
})

test('a rule set that was changed by one element is told from the policy', (t) => {
  const random = new Generator(20_261_121)
  let caught = 0
  for (let policy = 0; policy < 30; policy++) {
    const desired = randomDesired(random)
    const ruleset = new Compiler({ form: 'identity' }).compile(desired)
    for (const nic of ruleset.nics) {
      const list = ruleset.lists.get(nic.lists?.inbound ?? '')?.ipv4
      const own = desired.nics.find(({ port }) => port === nic.port)
      if (list?.form !== 'identity' || own === undefined) continue
      const meant = spaceOfList(flatten(own, 'inbound', desired), 'ipv4')
      const lookups = list.lookups.map((lookup) =>
        lookup.sets === 'verdict' ? { ...lookup, elements: lookup.elements.slice(1) } : lookup,
      )
      const changed = spaceOfForm({ ...list, lookups }, ruleset, 'ipv4')
      const found = difference(meant, changed, 'rule')
      if (found === undefined) continue
      caught++
      const loaded = {
        ...ruleset,
        lists: new Map([
          [
            nic.lists?.inbound ?? '',
            {
              key: '',
              ipv6: list,
              ipv4: { ...list, lookups },
            },
          ],
        ]),
      }
      const verdict = interpret(flatten(own, 'inbound', desired), found.packet)
      t.is(found.one?.verdict, verdict === 'allow' ? 'accept' : 'drop')
      t.deepEqual(
        spaceDecided(decide({ ...loaded, opens: new Map() }, nic.port, 'inbound', found.packet)),
        found.other,
      )
    }
  }
  t.true(caught > 20)
})

function spaceDecided(decided: ReturnType<typeof decide>) {
  return decided && { id: decided.id, verdict: decided.verdict, log: decided.log }
}
