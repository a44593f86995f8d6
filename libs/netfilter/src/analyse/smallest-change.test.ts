import { formatAddress } from '@purlin/base'
import type { InboundRule, PolicyChange, SecurityGroupSpec } from '@purlin/schema'
import test from 'ava'
import type { Packet } from '../packet.ts'
import type { FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { insertRules, modifyRule, moveRule } from '../rules/rule-list.ts'
import { Generator } from '../testing/generator.ts'
import { boundariesOf, randomPacket } from '../testing/random-packet.ts'
import { randomDesired } from '../testing/random-policy.ts'
import { desiredOf, sampleGroup, sampleNic } from '../testing/sample.ts'
import { explainPacket } from './explain.ts'
import { smallestChange } from './smallest-change.ts'
import { verdictBetween } from './verdict-between.ts'

const tcp = { family: 'ipv4', protocol: 'tcp' } as const

function ask(
  groups: Readonly<Record<string, object>>,
  nics: readonly FilteredNic[],
  port: number,
): readonly Partial<PolicyChange>[] | undefined {
  const specs = Object.entries(groups).map(([name, spec]) => [name, sampleGroup(spec)] as const)
  const desired = desiredOf(nics, Object.fromEntries(specs))
  const question = { from: 'c', to: 'b', protocol: 'tcp', destinationPort: port } as const
  return explainPacket(desired, question).smallestChange?.map((change) => {
    const { sentence: _sentence, rule: _rule, ...rest } = change
    return rest
  })
}

test('a packet that the default refuses: a rule for it alone, in the group with fewest members', (t) => {
  const nics = [sampleNic('a', ['web']), sampleNic('b', ['web', 'own']), sampleNic('c', [])]
  t.deepEqual(ask({ web: {}, own: {} }, nics, 80), [
    {
      action: 'insertRule',
      nic: 'b/eth0',
      direction: 'inbound',
      group: 'own',
      priority: 0,
      alsoAllows: [],
    },
  ])
})

test('other NICs of the group that the rule opens, too, are named', (t) => {
  const nics = [sampleNic('a', ['web']), sampleNic('b', ['web']), sampleNic('c', [])]
  t.like(ask({ web: {} }, nics, 80)?.[0], { group: 'web', alsoAllows: ['a/eth0'] })
})

test('a rule that denies more than this packet stays; the new rule goes before it', (t) => {
  const inbound = [{ ...tcp, ports: ['1-100'], action: 'deny' }]
  t.like(ask({ web: { inbound } }, [sampleNic('b', ['web']), sampleNic('c', [])], 80)?.[0], {
    action: 'insertRule',
    priority: 0,
  })
})

test('a rule that denies this packet alone is disabled, or one that allows it moved before it', (t) => {
  const source = { addresses: ['10.9.0.12'] }
  const deny = { ...tcp, id: 'no', ports: ['80'], source, action: 'deny' }
  const allow = { ...tcp, id: 'yes', ports: ['80'], source, action: 'allow' }
  const nics = [sampleNic('b', ['web']), sampleNic('c', [])]
  t.like(ask({ web: { inbound: [deny, { ...tcp, action: 'allow' }] } }, nics, 80)?.[0], {
    action: 'disableRule',
    priority: 0,
    id: 'no',
  })
  const wide = { ...deny, ports: ['1-100'] }
  t.like(ask({ web: { inbound: [wide, { ...tcp, action: 'deny' }, allow] } }, nics, 80)?.[0], {
    action: 'moveRule',
    priority: 2,
    id: 'yes',
    toPriority: 0,
  })
})

test('a rule that allows this packet alone and is off is switched on', (t) => {
  const source = { addresses: ['10.9.0.12'] }
  const off = { ...tcp, id: 'off', ports: ['80'], source, action: 'allow', enabled: false }
  const nics = [sampleNic('b', ['web']), sampleNic('c', [])]
  t.like(ask({ web: { inbound: [off] } }, nics, 80)?.[0], { action: 'enableRule', id: 'off' })
})

test('both ends refuse: one change for each', (t) => {
  const nics = [sampleNic('b', ['web']), sampleNic('c', ['out'])]
  const outbound = [{ family: 'ipv4', protocol: 'all', action: 'deny' }]
  t.deepEqual(
    ask({ web: {}, out: { outbound } }, nics, 80)?.map(({ nic, direction }) => [nic, direction]),
    [
      ['c/eth0', 'outbound'],
      ['b/eth0', 'inbound'],
    ],
  )
})

test('a closed NIC without groups is given a group of its own', (t) => {
  const closed = {
    ...sampleNic('b', []),
    filtered: true,
    defaultPolicy: { inbound: 'deny', outbound: 'deny' },
  } as const
  t.like(ask({}, [closed, sampleNic('c', [])], 80)?.[0], { action: 'addGroup', group: 'b-eth0' })
})

test('an allowed packet needs no change', (t) => {
  const inbound = [{ ...tcp, action: 'allow' }]
  t.is(ask({ web: { inbound } }, [sampleNic('b', ['web']), sampleNic('c', [])], 80), undefined)
})

/** Carries a change out with the edits that the API has. */
function applied(desired: NetfilterDesired, change: PolicyChange): NetfilterDesired {
  const { action, direction, group, priority = 0, toPriority = 0, rule } = change
  const spec = desired.groups.get(group)
  if (spec === undefined) throw new Error(`no group ${group}`)
  const at = { direction, priority }
  const added = { direction, rules: [rule as InboundRule] } as Parameters<typeof insertRules>[2]
  const edits: Record<string, () => SecurityGroupSpec> = {
    insertRule: () => insertRules(group, spec, added, priority),
    enableRule: () => modifyRule(spec, at, { enabled: true }),
    disableRule: () => modifyRule(spec, at, { enabled: false }),
    moveRule: () => moveRule(group, spec, at, toPriority),
    enableMembersRule: () => ({ ...spec, allowWithinGroup: true }),
  }
  const edit = edits[action]
  if (edit === undefined) throw new Error(`${action} was not expected`)
  return { ...desired, groups: new Map([...desired.groups, [group, edit()]]) }
}

const SEED = 20_260_101
const POLICIES = 60
const PACKETS = 40

test(`the change that is told lets the packet pass, and takes nothing that passed (seed ${SEED})`, (t) => {
  const random = new Generator(SEED)
  let tried = 0
  for (let policy = 0; policy < POLICIES; policy++) {
    const desired = randomDesired(random)
    const bounds = boundariesOf(desired)
    for (let count = 0; count < PACKETS; count++) {
      const sender = random.pick(desired.nics)
      const receiver = random.pick(desired.nics)
      const packet = firstOfFlow(randomPacket(random, bounds))
      if (verdictBetween(desired, sender, receiver, packet).verdict === 'allow') continue
      const changes = smallestChange(desired, sender, receiver, packet)
      t.truthy(changes, flowText(packet))
      // A group of its own for a closed NIC has a test of its own.
      if (changes?.some(({ action }) => action === 'addGroup')) continue
      const after = (changes ?? []).reduce(applied, desired)
      t.is(verdictBetween(after, sender, receiver, packet).verdict, 'allow', flowText(packet))
      tried++
      for (let other = 0; other < 10; other++) {
        const standing = firstOfFlow(randomPacket(random, bounds))
        const before = verdictBetween(desired, sender, receiver, standing).verdict
        if (before === 'deny') continue
        t.is(verdictBetween(after, sender, receiver, standing).verdict, 'allow')
      }
    }
  }
  t.true(tried > PACKETS, `${tried} packets were refused`)
})

function firstOfFlow(packet: Packet): Packet {
  return { ...packet, state: 'new' }
}

function flowText({ family, source, destination, protocol, destinationPort }: Packet): string {
  const [from, to] = [source, destination].map((value) => formatAddress({ family, value }))
  return `${from} -> ${to} ${protocol}/${destinationPort}`
}
