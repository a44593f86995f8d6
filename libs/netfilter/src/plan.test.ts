import { fact } from '@purlin/base'
import test from 'ava'
import { compile } from './compile/compile.ts'
import {
  type NetfilterObserved,
  nothingObserved,
  type ObservedChain,
  type ObservedTable,
} from './observe/observed.ts'
import { enforcedFacts, nicStatus } from './observe/status.ts'
import { planSteps } from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { LOOSE_SET, mapNames, mapTypes, type TableFamily } from './target/names.ts'
import { kernelRuleset } from './target/nftables.ts'
import { targetOf } from './target/script.ts'
import { sampleDesired, sampleNic } from './testing/sample.ts'

/** The observation of a kernel that holds exactly the desired rule set. */
function observedOf(desired: NetfilterDesired): NetfilterObserved {
  const ruleset = kernelRuleset(compile(desired), () => 0)
  const tableOf = (table: TableFamily): ObservedTable => {
    const chains = [...ruleset.chains.values()].filter((chain) => chain.table === table)
    const observed = chains.map((chain): [string, ObservedChain] => {
      const text = chain.rules.map((rule) => rule.text).join('\n')
      const targets = [...text.matchAll(/(?:goto|jump) ([^\s,}]+)/g)].map(
        ([, name]) => `${table}/${name}`,
      )
      const sets = [...text.matchAll(/@([a-z0-9-]+)/g)].map(([, name]) => name ?? '')
      return [
        `${table}/${chain.name}`,
        {
          table,
          name: chain.name,
          hook: chain.hook && `${chain.hook.hook} ${chain.hook.priority} accept`,
          ruleIds: chain.rules.map((rule) => rule.id),
          fingerprint: 'as loaded',
          references: [...targets, ...sets],
        },
      ]
    })
    const sets = [...ruleset.sets].map(([name, set]): [string, readonly string[]] => [
      name,
      set.elements,
    ])
    const maps = mapNames.filter((name) => mapTypes[name].table === table)
    return {
      owned: true,
      chains: new Map(observed),
      sets: table === 'inet' ? new Map([...sets, [LOOSE_SET, []]]) : new Map(),
      maps: new Map(maps.map((name) => [name, ruleset.maps[name]])),
      others: [],
    }
  }
  return {
    tables: { bridge: tableOf('bridge'), inet: tableOf('inet') },
    altered: new Set(),
    saved: true,
  }
}

const inForce = observedOf(sampleDesired)

/** The observation with one table changed. */
function changed(
  table: TableFamily,
  change: (found: ObservedTable) => ObservedTable,
): NetfilterObserved {
  const found = inForce.tables[table]
  if (found === undefined) throw new Error(`no table ${table}`)
  return { ...inForce, tables: { ...inForce.tables, [table]: change(found) } }
}

const commitOf = (desired: NetfilterDesired, observed: NetfilterObserved) => {
  const step = planSteps(desired, observed).find((one) => one.verb === 'commit')
  if (step?.verb !== 'commit') throw new Error('no commit planned')
  return step
}

test('nothing is planned where the kernel holds what is desired', (t) => {
  t.deepEqual(planSteps(sampleDesired, inForce), [])
})

test('an empty kernel gets the tables, and nothing is turned before its chains stand', (t) => {
  const step = commitOf(sampleDesired, nothingObserved)
  t.is(step.difference.aside[0], 'add table bridge purlin')
  t.true(
    step.difference.aside.every((line) => !line.startsWith('add element inet purlin dispatch')),
  )
  t.true(step.difference.flip.every((line) => line.startsWith('add element ')))
  t.deepEqual(step.affectedPorts, ['a.eth0', 'b.eth0', 'c.eth0', 'd.eth0'])
})

test('a changed rule makes a list beside the old one, turns to it, and deletes the old one', (t) => {
  const web = sampleDesired.groups.get('web')
  t.truthy(web)
  if (!web) return
  const groups = new Map(sampleDesired.groups).set('web', { ...web, inbound: web.inbound.slice(1) })
  const { difference, affectedPorts, summary } = commitOf({ ...sampleDesired, groups }, inForce)
  t.true(difference.aside.every((line) => /^add (chain|rule) inet purlin list-/.test(line)))
  t.deepEqual(
    difference.flip.map((line) => line.split(' ', 5).join(' ')),
    ['delete element inet purlin dispatch', 'add element inet purlin dispatch'],
  )
  t.is(difference.remove.chains.size, 6)
  t.deepEqual(affectedPorts, ['b.eth0', 'd.eth0'])
  t.is(summary, 'change the rules of b.eth0, d.eth0 (4 NICs)')
})

test('a member that joins is one element', (t) => {
  const members = new Map(sampleDesired.members)
  members.set('web', [...(members.get('web') ?? []), { ipv4: ['10.9.0.99'], ipv6: [] }])
  const { difference } = commitOf({ ...sampleDesired, members }, inForce)
  t.deepEqual(difference.aside, ['add element inet purlin group-web-ipv4 { 10.9.0.99 }'])
  t.deepEqual(difference.flip, [])
})

test('a NIC that nobody wants goes in a step of its own, not while it is in use', (t) => {
  const nics = sampleDesired.nics.filter((nic) => nic.port !== 'a.eth0')
  const steps = planSteps({ ...sampleDesired, nics }, inForce)
  t.deepEqual(
    steps.map(({ verb, forbids }) => ({ verb, forbids })),
    [{ verb: 'remove-nic', forbids: [fact('nic', 'a.eth0', 'in-use')] }],
  )
})

test('what an unwanted NIC uses stays until its own step', (t) => {
  const nics = [
    ...sampleDesired.nics.filter((nic) => nic.port !== 'a.eth0'),
    sampleNic('e', ['web']),
  ]
  const { difference } = commitOf({ ...sampleDesired, nics }, inForce)
  t.is(difference.remove.chains.size + difference.remove.sets.size, 0)
})

test('a list that somebody altered is made anew beside it', (t) => {
  const target = targetOf(
    'dispatch',
    inForce.tables.inet?.maps.get('dispatch')?.get('0x5100000b') ?? '',
  )
  const observed = { ...inForce, altered: new Set([`${target}-ipv4`]) }
  const { difference } = commitOf(sampleDesired, observed)
  t.true(
    difference.aside.some(
      (line) => line === `add chain ${target?.replace('/', ' purlin ').replace(/_0$/, '_1')}`,
    ),
  )
  t.true(difference.remove.chains.has(`${target}-ipv4`))
  t.is(nicStatus(observed, 'b.eth0').state, 'notEnforced')
  t.is(nicStatus(observed, 'c.eth0').state, 'enforced')
})

test('an emptied base chain is filled in place, and until then no NIC is enforced', (t) => {
  const observed = changed('inet', (table) => {
    const chain = table.chains.get('inet/base-filter')
    if (chain === undefined) throw new Error('no base chain')
    return {
      ...table,
      chains: new Map(table.chains).set('inet/base-filter', { ...chain, ruleIds: [] }),
    }
  })
  const { difference } = commitOf(sampleDesired, observed)
  t.is(difference.aside[0], 'flush chain inet purlin base-filter')
  t.is(enforcedFacts(observed).size, 0)
})

test('a stray element is deleted', (t) => {
  const observed = changed('inet', (table) => {
    const dispatch = new Map(table.maps.get('dispatch')).set('0x500000ff', 'accept')
    return { ...table, maps: new Map(table.maps).set('dispatch', dispatch) }
  })
  t.deepEqual(commitOf(sampleDesired, observed).difference.flip, [
    'delete element inet purlin dispatch { 0x500000ff }',
  ])
})

test('a NIC is enforced when its guard, marks, zone and lists all stand', (t) => {
  t.is(enforcedFacts(inForce).size, 4)
  const parts: [TableFamily, 'guard' | 'nic-mark' | 'zone' | 'dispatch', string][] = [
    ['bridge', 'guard', 'ptap-b'],
    ['bridge', 'nic-mark', 'pin-b'],
    ['inet', 'zone', '0x5100000b'],
    ['inet', 'dispatch', '0x5000000b'],
  ]
  for (const [table, map, key] of parts) {
    const observed = changed(table, (found) => {
      const elements = new Map(found.maps.get(map))
      elements.delete(key)
      return { ...found, maps: new Map(found.maps).set(map, elements) }
    })
    t.is(nicStatus(observed, 'b.eth0').state, 'notEnforced', `${map} ${key}`)
    t.is(nicStatus(observed, 'd.eth0').state, 'enforced')
  }
})

test('rules in force that the next boot would not have are written down', (t) => {
  const [step] = planSteps(sampleDesired, { ...inForce, saved: false })
  t.is(step?.verb, 'save')
})
