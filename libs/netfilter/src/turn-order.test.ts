import test from 'ava'
import { applied } from './apply/applied.ts'
import { Compiler } from './compile/compiler.ts'
import { type NetfilterObserved, nothingObserved } from './observe/observed.ts'
import { type CommitStep, planSteps } from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import type { NamedSet } from './target/statement.ts'
import { applyChanges } from './testing/apply-changes.ts'
import { desiredOf, sampleGroup, sampleNic } from './testing/sample.ts'
import { verifyKernel } from './verify/verify-kernel.ts'

// A packet asks which list is its NIC's, then which class its peer is of, then what the list sees
// of that class. A member that came to be of a new combination of groups changed its class together
// with the list that knows the combination: a packet between two of these look-ups met the new
// class in the old list, which took it for a stranger's.

const calm = new AbortController().signal
const PEER = '10.1.0.1'
const OTHER = '10.1.0.2'

const tcpFrom = (group: string, port: string, action = 'allow') => ({
  family: 'ipv4',
  protocol: 'tcp',
  ports: [port],
  source: { groups: [group] },
  action,
})

type Members = Readonly<Record<string, readonly string[]>>

/** A machine whose group names groups a, b and maybe others, and their members. */
function host(inbound: readonly object[], members: Members): NetfilterDesired {
  const empty = sampleGroup({ allowWithinGroup: false })
  const names = ['a', 'b', 'c']
  const spec = sampleGroup({ allowWithinGroup: false, inbound })
  const { nics, groups } = desiredOf([sampleNic('e', ['web'])], {
    web: spec,
    ...Object.fromEntries(names.map((name) => [name, empty])),
  })
  const all = names.map((name) => {
    return [name, (members[name] ?? []).map((one) => ({ ipv4: [one], ipv6: [] }))] as const
  })
  return { nics, groups, members: new Map(all) }
}

const rules = [tcpFrom('a', '80'), tcpFrom('b', '81'), tcpFrom('b', '80', 'deny')]
const more = [...rules, tcpFrom('c', '82')]
const alone = { a: [PEER], b: [OTHER] }
const both = { a: [PEER], b: [PEER, OTHER] }

const courses: readonly (readonly [string, NetfilterDesired, NetfilterDesired])[] = [
  ['a member makes a new combination', host(rules, alone), host(rules, both)],
  [
    'a group comes to be named, of which a member is in others',
    host(rules, { ...both, c: [PEER] }),
    host(more, { ...both, c: [PEER] }),
  ],
  [
    'a group is named no more',
    host(more, { ...both, c: [PEER, OTHER] }),
    host(rules, { ...both, c: [PEER, OTHER] }),
  ],
]

interface Course {
  /** What stands before the first transaction and after each. */
  readonly states: readonly NetfilterObserved[]
  readonly step: CommitStep
}

function run(before: NetfilterDesired, after: NetfilterDesired): Course {
  const compiler = new Compiler({ form: 'identity' })
  let observed: NetfilterObserved = nothingObserved
  for (;;) {
    const [step] = planSteps(before, observed, compiler)
    if (step?.verb !== 'commit') break
    const held = applied(observed, step.wanted, step.difference, step.retained)
    observed = { ...observed, ...held }
  }
  const [step] = planSteps(after, observed, compiler)
  if (step?.verb !== 'commit') throw new Error('nothing to commit')
  const { aside, flip, classes } = step.difference
  const states = [observed]
  for (const changes of [aside, flip, classes]) {
    const last = states.at(-1) ?? observed
    states.push({ ...last, ...applyChanges(last, changes) })
  }
  return { states, step }
}

/** What a packet meets that has asked for its list and its class, or its list alone, before a
 *  transaction, and for the rest after it. */
function between(before: NetfilterObserved, after: NetfilterObserved): NetfilterObserved[] {
  const withSets = (isLater: (set: NamedSet) => boolean): NetfilterObserved => {
    const sets = new Map(after.sets)
    for (const [key, set] of before.sets) if (!isLater(set)) sets.set(key, set)
    return { ...after, sets }
  }
  const isView = ({ name }: NamedSet): boolean => name.startsWith('view-')
  const isClass = ({ name }: NamedSet): boolean => name.startsWith('class-')
  const isOwn = ({ name }: NamedSet): boolean => name.startsWith('list-')
  return [
    withSets((set) => isView(set) || isOwn(set)),
    withSets((set) => isClass(set) || isView(set) || isOwn(set)),
  ]
}

for (const [name, before, after] of courses) {
  test(`at each moment of a commit every packet is decided as before or as after: ${name}`, async (t) => {
    const { states, step } = run(before, after)
    t.true(step.difference.flip.length > 0)
    const moments = states.flatMap((state, at) => {
      const next = states[at + 1]
      return next === undefined ? [state] : [state, ...between(state, next)]
    })
    const found: string[] = []
    for (const moment of moments) {
      const asBefore = await verifyKernel(before, moment, calm)
      const asAfter = await verifyKernel(after, moment, calm)
      if (asBefore.equal) found.push('before')
      else if (asAfter.equal) found.push('after')
      else found.push(`neither: ${asBefore.findings.map(({ what }) => what).join('; ')}`)
    }
    const turn = found.indexOf('after')
    t.true(turn > 0)
    t.deepEqual(
      found,
      moments.map((_, at) => (at < turn ? 'before' : 'after')),
    )
  })
}

test('a class that the old list does not know changes after the turn', (t) => {
  const [course] = courses
  if (course === undefined) throw new Error('no course')
  const { step } = run(course[1], course[2])
  const classesIn = (phase: 'aside' | 'flip' | 'classes') =>
    step.difference[phase].filter((one) => 'set' in one && one.set.name === 'class-ipv4').length
  t.is(classesIn('aside'), 0)
  t.is(classesIn('flip'), 0)
  t.true(classesIn('classes') > 0)
})

test('where rules and members change at once, both turn in one transaction', (t) => {
  const moved = host([tcpFrom('b', '80')], { b: [PEER] })
  const { step } = run(host([tcpFrom('a', '80')], { a: [PEER] }), moved)
  t.deepEqual(step.difference.classes, [])
  t.true(step.difference.flip.some((one) => 'set' in one && one.set.name === 'class-ipv4'))
  t.true(step.difference.flip.some((one) => 'set' in one && one.set.name === 'dispatch'))
})
