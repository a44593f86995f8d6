import test from 'ava'
import type { MemberAddresses, NetfilterDesired } from '../policy/desired.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from '../testing/sample.ts'
import { Compiler } from './compiler.ts'
import { evaluate } from './evaluate.ts'
import { CLASS_BASE, IDENTITY_BASE, type IdentityForm, OWN_MARK, OWN_MARK_MASK } from './form.ts'
import type { CompiledRuleset } from './ruleset.ts'

const tcp = { family: 'ipv4', protocol: 'tcp', action: 'allow' }

/** 100 NICs, each with a group of its own whose 100 rules name the group `fleet` ten times. */
function host(): NetfilterDesired {
  const numbers = Array.from({ length: 100 }, (_, index) => index)
  const rules = (nic: number): object[] =>
    numbers.map((at) => ({
      ...tcp,
      ports: [String(1_000 + at)],
      source: at % 10 === 0 ? { groups: ['fleet'] } : { cidrs: [`172.16.${nic}.${at}/32`] },
    }))
  const nics = numbers.map((at) => ({
    ...sampleNic('a', [`own-${at}`]),
    port: `m-${at}.eth0`,
    tap: `ptap-${at}`,
    inner: `pin-${at}`,
    zone: at + 1,
    ipv4: [`10.9.0.${at}`],
    ipv6: [`fd09::${at}`],
  }))
  const own = numbers.map((at) => [`own-${at}`, sampleGroup({ inbound: rules(at) })] as const)
  const desired = desiredOf(nics, { ...Object.fromEntries(own), fleet: sampleGroup({}) })
  const fleet = numbers.map((at) => ({ ipv4: [`10.20.0.${at}`], ipv6: [`fd20::${at}`] }))
  return withFleet(desired, fleet)
}

function withFleet(desired: NetfilterDesired, fleet: readonly MemberAddresses[]): NetfilterDesired {
  return { ...desired, members: new Map([...desired.members, ['fleet', fleet]]) }
}

const fleetOf = ({ members }: NetfilterDesired) => members.get('fleet') ?? []

function identityForms({ lists }: CompiledRuleset): readonly IdentityForm[] {
  const forms = [...lists.values()].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
  return forms.flatMap((form) => (form.form === 'identity' ? [form] : []))
}

test('who joins a group that 1,000 rules in 100 lists name is one element a family', (t) => {
  const compiler = new Compiler()
  const desired = host()
  const before = compiler.compile(desired)
  t.is(identityForms(before).length, 100)
  const joined = { ipv4: ['10.20.9.9'], ipv6: ['fd20::9:9'] }
  const after = compiler.compile(withFleet(desired, [...fleetOf(desired), joined]))
  t.deepEqual(after.classes.ipv4.since?.addresses, ['10.20.9.9'])
  t.is(after.classes.ipv4.since?.former, before.classes.ipv4.classes)
  t.is(after.classes.ipv4.classes.get('10.20.9.9'), after.classNumbers.get('fleet'))
  t.is(after.classes.ipv6.classes.size, before.classes.ipv6.classes.size + 1)
  t.deepEqual([...after.lists.values()], [...before.lists.values()])
  for (const [key, view] of before.views) t.is(after.views.get(key), view)
})

test('a combination of groups that is new changes views, and no list', (t) => {
  const compiler = new Compiler()
  const desired = host()
  const before = compiler.compile(desired)
  const [nic] = desired.nics
  const joined = { ipv4: nic?.ipv4 ?? [], ipv6: nic?.ipv6 ?? [] }
  const after = compiler.compile(withFleet(desired, [...fleetOf(desired), joined]))
  t.deepEqual(
    [...after.classNumbers.keys()].filter((text) => !before.classNumbers.has(text)),
    ['fleet own-0'],
  )
  const kept = [...before.lists].filter(([key, list]) => after.lists.get(key) === list)
  t.is(kept.length, before.lists.size - 1)
})

test('one rule changed makes one list anew; every other part is the same value', (t) => {
  const compiler = new Compiler()
  const desired = host()
  const before = compiler.compile(desired)
  const spec = desired.groups.get('own-7')
  const groups = new Map([
    ...desired.groups,
    ['own-7', sampleGroup({ ...spec, inbound: spec?.inbound.slice(1) ?? [] })] as const,
  ])
  const after = compiler.compile({ ...desired, groups })
  const made = [...after.lists.values()].filter((list) => before.lists.get(list.key) !== list)
  t.is(made.length, 1)
  t.is(after.nics.filter((nic, at) => nic !== before.nics[at]).length, 1)
  t.is(after.classes.ipv4, before.classes.ipv4)
})

test('members that join far from and among addresses that lists name compile as if at once', (t) => {
  const compiler = new Compiler()
  let desired = host()
  compiler.compile(desired)
  let products = 0
  const joining = [
    '10.30.0.1',
    '10.30.0.2',
    '172.16.5.21',
    '10.30.0.3',
    '172.16.6.22',
    '172.16.5.23',
  ]
  for (const address of joining) {
    desired = withFleet(desired, [...fleetOf(desired), { ipv4: [address], ipv6: [] }])
    const after = compiler.compile(desired)
    const { classNumbers, lists } = after
    const fresh = new Compiler({ classNumbers }).compile(desired)
    // A list's key follows from its whole content.
    t.deepEqual([...lists.keys()], [...fresh.lists.keys()], address)
    products += Number(address.startsWith('172'))
    const [first] = desired.groups.keys()
    const group = sampleGroup({ inbound: [{ ...tcp, ports: [String(2_000 + products)] }] })
    if (first !== undefined && address.endsWith('.3')) {
      desired = { ...desired, groups: new Map(desired.groups).set(first, group) }
      t.deepEqual(
        [...compiler.compile(desired).lists.keys()],
        [...new Compiler({ classNumbers }).compile(desired).lists.keys()],
      )
    }
  }
  t.is(products, 3)
})

test('values that are built anew but say the same compile to the same values', (t) => {
  const compiler = new Compiler()
  const desired = host()
  const before = compiler.compile(desired)
  const after = compiler.compile({
    groups: new Map(desired.groups),
    members: new Map([...desired.members].map(([name, own]) => [name, structuredClone(own)])),
    nics: structuredClone(desired.nics),
  })
  t.true(after.nics.every((nic, at) => nic === before.nics[at]))
  t.is(after.classes.ipv6, before.classes.ipv6)
})

test('a class keeps its number over restarts, and when its last member has left', (t) => {
  const desired = host()
  const first = new Compiler().compile(desired)
  const second = new Compiler({ classNumbers: first.classNumbers })
  t.deepEqual(second.compile(desired).classNumbers, first.classNumbers)
  t.deepEqual(second.compile(withFleet(desired, [])).classNumbers, first.classNumbers)
})

test('numbers that a list writes into the mark are ours, and no two sorts share one', (t) => {
  const { classNumbers } = new Compiler({ form: 'identity' }).compile(sampleDesired)
  for (const number of [...classNumbers.values(), IDENTITY_BASE]) {
    t.is((number & OWN_MARK_MASK) >>> 0, OWN_MARK)
  }
  t.true([...classNumbers.values()].every((number) => number >= CLASS_BASE))
  t.true(IDENTITY_BASE + 0x04000000 <= CLASS_BASE)
})

test('short lists are linear, long ones look up, whatever else is the same', (t) => {
  const formOf = (rules: number): string | undefined => {
    const inbound = Array.from({ length: rules }, (_, at) => {
      return { ...tcp, ports: [String(at)], source: { cidrs: [`10.1.${at >> 8}.${at & 255}/32`] } }
    })
    const group = sampleGroup({ allowWithinGroup: false, inbound })
    const desired = desiredOf([sampleNic('b', ['g'])], { g: group })
    const { lists, nics } = new Compiler().compile(desired)
    return lists.get(nics[0]?.lists?.inbound ?? '')?.ipv4.form
  }
  t.is(formOf(10), 'linear')
  t.is(formOf(100), 'identity')
  t.is(formOf(1_000), 'identity')
})

test('wide networks inside each other times many groups stay linear', (t) => {
  const inbound = Array.from({ length: 600 }, (_, at) => ({
    ...tcp,
    ports: [String(at + 1)],
    source: { ranges: [`10.0.0.${at % 250}-10.200.${at % 250}.${at % 250}`], groups: [`g${at}`] },
  }))
  const names = inbound.map((_, at) => [`g${at}`, sampleGroup({})] as const)
  const web = sampleGroup({ allowWithinGroup: false, inbound })
  const desired = desiredOf([sampleNic('b', ['web'])], { web, ...Object.fromEntries(names) })
  const { lists, nics } = new Compiler({ form: 'identity' }).compile(desired)
  t.is(lists.get(nics[0]?.lists?.inbound ?? '')?.ipv4.form, 'linear')
})

test('while NICs are turned, old lists and new ones understand the classes', (t) => {
  const rule = (group: string) => ({ ...tcp, source: { groups: [group] } })
  const web = (...groups: string[]) =>
    sampleGroup({ allowWithinGroup: false, inbound: groups.map(rule) })
  const host = (spec: ReturnType<typeof web>, a: string[], b: string[]): NetfilterDesired => ({
    nics: [sampleNic('b', ['web'])],
    groups: new Map([['web', spec]]),
    members: new Map([
      ['a', a.map((one) => ({ ipv4: [one], ipv6: [] }))],
      ['b', b.map((one) => ({ ipv4: [one], ipv6: [] }))],
    ]),
  })
  const one = '10.0.0.1'
  const courses: [string, NetfilterDesired, NetfilterDesired][] = [
    ['a group is named', host(web('a'), [one], [one]), host(web('a', 'b'), [one], [one])],
    ['a group is named no more', host(web('a', 'b'), [one], [one]), host(web('a'), [one], [one])],
    ['a combination is new', host(web('a', 'b'), [one], []), host(web('a', 'b'), [one], [one])],
    ['one leaves, one is named', host(web('b'), [one], [one]), host(web('a'), [one], [])],
    ['one joins, one is named', host(web('b'), [], [one]), host(web('a', 'b'), [one], [one])],
  ]
  for (const [name, before, after] of courses) {
    const compiler = new Compiler({ form: 'identity' })
    const old = compiler.compile(before)
    const fresh = compiler.compile(after)
    const packet = {
      family: 'ipv4',
      source: 0x0a000001n,
      destination: 0n,
      protocol: 6,
      destinationPort: 1,
    } as const
    const stages = [
      { ...old, classes: fresh.classesAside, views: fresh.views },
      { ...fresh, classes: fresh.classesAside },
      fresh,
    ]
    // The address is let in before and after, so it is let in at every stage between.
    for (const stage of stages) t.is(evaluate(stage, 'b.eth0', 'inbound', packet), 'accept', name)
  }
})

test('an address of a NIC that cannot be read is refused with its place', (t) => {
  const nic = { ...sampleNic('a', []), allowedAddresses: ['10.0.0.1', 'db.example'] }
  const error = t.throws(() => new Compiler().compile({ ...sampleDesired, nics: [nic] }))
  t.like(error, { code: 'PUR_INVALID', problems: [{ path: 'nics[0].allowedAddresses[1]' }] })
})
