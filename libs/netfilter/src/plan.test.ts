import { fact } from '@purlin/base'
import test from 'ava'
import { compile } from './compile/compile.ts'
import type { Change } from './netlink/index.ts'
import { type NetfilterObserved, nothingObserved, turnElements } from './observe/observed.ts'
import { enforcedFacts, nicStatus } from './observe/status.ts'
import { planSteps } from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { hostObjects } from './target/host-objects.ts'
import { tableFamilies } from './target/names.ts'
import { turnShapes } from './target/sets.ts'
import { chainOf, objectKey } from './target/statement.ts'
import { sampleDesired, sampleNic } from './testing/sample.ts'

/** The observation of a kernel that holds exactly the desired rule set. */
function observedOf(desired: NetfilterDesired): NetfilterObserved {
  const { chains, sets } = hostObjects(compile(desired), () => 0)
  return { ...nothingObserved, tables: new Set(tableFamilies), chains, sets }
}

const inForce = observedOf(sampleDesired)

/** The observation with some elements of a map changed. */
function withElements(
  map: string,
  change: (elements: Map<string, { key: never; value: never }>) => void,
): NetfilterObserved {
  const shape = turnShapes.find(({ name }) => name === map)
  const key = shape === undefined ? '' : objectKey(shape)
  const set = inForce.sets.get(key)
  if (set === undefined) throw new Error(`no map ${map}`)
  const elements = new Map(set.elements) as Map<string, { key: never; value: never }>
  change(elements)
  return { ...inForce, sets: new Map(inForce.sets).set(key, { ...set, elements }) }
}

const commitOf = (desired: NetfilterDesired, observed: NetfilterObserved) => {
  const step = planSteps(desired, observed).find((one) => one.verb === 'commit')
  if (step?.verb !== 'commit') throw new Error('no commit planned')
  return step
}

/** What changes name, such as `add-elements group-web-ipv4`. */
const words = (changes: readonly Change[]): readonly string[] => changes.map(wordsOf)

function wordsOf(change: Change): string {
  if ('set' in change) return `${change.change} ${change.set.name}`
  if ('rule' in change) return `${change.change} ${change.chain}`
  if ('chain' in change) return `${change.change} ${change.chain.name}`
  return 'name' in change ? `${change.change} ${change.name}` : `${change.change} ${change.table}`
}

function listChainOf(port: string): string {
  const nic = sampleDesired.nics.find((one) => one.port === port)
  const value = turnElements(inForce, 'dispatch').get(String(0x51000000 + (nic?.zone ?? 0)))?.value
  return typeof value === 'object' ? (chainOf(value) ?? '') : ''
}

test('nothing is planned where the kernel holds what is desired', (t) => {
  t.deepEqual(planSteps(sampleDesired, inForce), [])
})

test('an empty kernel gets the tables, and nothing is turned before its chains stand', (t) => {
  const { difference, affectedPorts } = commitOf(sampleDesired, nothingObserved)
  t.deepEqual(words(difference.aside).slice(0, 2), ['add-table bridge', 'add-counter owner-purlin'])
  const maps = turnShapes.map(({ name }) => name)
  t.false(words(difference.aside).some((one) => maps.some((map) => one === `add-elements ${map}`)))
  t.deepEqual(
    words(difference.flip).toSorted(),
    maps.map((map) => `add-elements ${map}`).toSorted(),
  )
  t.deepEqual(affectedPorts, ['a.eth0', 'b.eth0', 'c.eth0', 'd.eth0'])
})

test('a changed rule makes a list beside the old one, turns to it, and deletes the old one', (t) => {
  const web = sampleDesired.groups.get('web')
  t.truthy(web)
  if (!web) return
  const groups = new Map(sampleDesired.groups).set('web', { ...web, inbound: web.inbound.slice(1) })
  const { difference, affectedPorts, summary } = commitOf({ ...sampleDesired, groups }, inForce)
  t.true(words(difference.aside).every((one) => /^add-(chain|rule|set|elements) list-/.test(one)))
  t.deepEqual(words(difference.flip), ['delete-elements dispatch', 'add-elements dispatch'])
  t.true(words(difference.remove).some((one) => one.startsWith('delete-chain list-')))
  t.deepEqual(affectedPorts, ['b.eth0', 'd.eth0'])
  t.is(summary, 'change the rules of b.eth0, d.eth0 (4 NICs)')
})

test('a member that joins is one element', (t) => {
  const members = new Map(sampleDesired.members)
  members.set('web', [...(members.get('web') ?? []), { ipv4: ['10.9.0.12'], ipv6: [] }])
  const { difference, summary } = commitOf({ ...sampleDesired, members }, inForce)
  t.deepEqual(words(difference.aside), [])
  t.deepEqual(words(difference.flip), ['add-elements group-web-ipv4'])
  t.deepEqual(words(difference.remove), [])
  t.is(difference.flip.flatMap((one) => ('elements' in one ? one.elements : [])).length, 1)
  t.regex(summary, /bring the members of web up to date/)
})

test('a NIC that nobody wants keeps its rules until nobody uses it, and loses them in its own step', (t) => {
  const nics = sampleDesired.nics.filter((nic) => nic.port !== 'a.eth0')
  const members = new Map(sampleDesired.members)
  const steps = planSteps({ ...sampleDesired, nics, members }, inForce)
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
  t.deepEqual(difference.remove, [])
})

test('a list that somebody altered is made anew beside it', (t) => {
  const name = listChainOf('b.eth0')
  const key = `inet/${name}-ipv4`
  const chain = inForce.chains.get(key)
  t.truthy(chain)
  if (!chain) return
  const shorter = { ...chain, rules: chain.rules.slice(1) }
  const observed = {
    ...inForce,
    chains: new Map(inForce.chains).set(key, shorter),
    altered: new Set([key]),
  }
  const { difference } = commitOf(sampleDesired, observed)
  t.true(words(difference.aside).includes(`add-chain ${name.replace(/_0$/, '_1')}`))
  t.true(words(difference.remove).includes(`delete-chain ${name}-ipv4`))
  t.is(nicStatus(observed, 'b.eth0').state, 'notEnforced')
  t.is(nicStatus(observed, 'c.eth0').state, 'enforced')
})

test('a rule of somebody else in a chain is a fault of that chain', (t) => {
  const name = listChainOf('b.eth0')
  const observed = { ...inForce, foreign: [`rule inet/${name}-ipv4 9: fib`] }
  const { difference } = commitOf(sampleDesired, observed)
  t.true(words(difference.remove).includes(`delete-chain ${name}-ipv4`))
  t.is(nicStatus(observed, 'b.eth0').state, 'notEnforced')
})

test('an emptied base chain is filled in place, and until then no NIC is enforced', (t) => {
  const chain = inForce.chains.get('inet/base-filter')
  t.truthy(chain)
  if (!chain) return
  const chains = new Map(inForce.chains).set('inet/base-filter', { ...chain, rules: [] })
  const observed = { ...inForce, chains }
  const { difference } = commitOf(sampleDesired, observed)
  t.is(words(difference.aside)[0], 'flush-chain base-filter')
  t.is(enforcedFacts(observed).size, 0)
})

test('a stray element is deleted', (t) => {
  const observed = withElements('dispatch', (elements) => {
    const [first] = elements.values()
    const key = [{ first: 0x500000ff, last: 0x500000ff }] as never
    if (first !== undefined) elements.set(String(0x500000ff), { ...first, key })
  })
  const { flip } = commitOf(sampleDesired, observed).difference
  t.deepEqual(words(flip), ['delete-elements dispatch'])
  t.deepEqual(
    flip.flatMap((one) => ('elements' in one ? one.elements.map(({ key }) => key[0]?.first) : [])),
    [0x500000ff],
  )
})

test('a NIC is enforced when its guard, marks, zone and lists all stand', (t) => {
  t.is(enforcedFacts(inForce).size, 4)
  const parts: [string, string][] = [
    ['guard', 'ptap-b'],
    ['nic-mark', 'pin-b'],
    ['zone', String(0x5100000b)],
    ['dispatch', String(0x5000000b)],
  ]
  for (const [map, key] of parts) {
    const observed = withElements(map, (elements) => void elements.delete(key))
    t.is(nicStatus(observed, 'b.eth0').state, 'notEnforced', `${map} ${key}`)
    t.is(nicStatus(observed, 'd.eth0').state, 'enforced')
  }
})

test('what the new rules replaced goes once they are in force', (t) => {
  const name = listChainOf('b.eth0').replace(/_0$/, '_9')
  const chain = { table: 'inet' as const, name, rules: [] }
  const observed = { ...inForce, chains: new Map(inForce.chains).set(`inet/${name}`, chain) }
  const [step] = planSteps(sampleDesired, observed)
  t.is(step?.verb, 'settle')
  t.regex(step?.summary ?? '', /^delete 1 chains and 0 sets left over; /)
})

test('rules in force that the next boot would not have are written down', (t) => {
  const [step] = planSteps(sampleDesired, { ...inForce, settled: false })
  t.is(step?.verb, 'settle')
})
