import test from 'ava'
import { applied, tidied } from './apply/applied.ts'
import { Compiler } from './compile/compiler.ts'
import type { Change } from './netlink/index.ts'
import { type NetfilterObserved, nothingObserved } from './observe/observed.ts'
import { type CommitStep, type NetfilterStep, planSteps } from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import type { TableObjects } from './target/statement.ts'
import { Generator } from './testing/generator.ts'
import { randomDesired } from './testing/random-policy.ts'

const WALKS = 20
const STEPS = 25

/** What stands after a step. */
function after(observed: NetfilterObserved, step: NetfilterStep): NetfilterObserved {
  if (step.verb === 'commit') {
    const { wanted, difference, retained, changed } = step
    return { ...observed, ...applied(observed, wanted, difference, retained, changed) }
  }
  if (step.verb === 'settle') return { ...observed, ...tidied(observed, step.difference) }
  throw new Error(`a step that no change of this walk asks for: ${step.summary}`)
}

/** Another policy of the same machines: rules, members, a NIC's groups or what is open change. */
function changed(random: Generator, desired: NetfilterDesired): NetfilterDesired {
  const other = randomDesired(random)
  const [group] = random.several(1, 1, () => random.pick([...desired.groups.keys()]))
  if (group === undefined) return desired
  const kind = random.below(4)
  if (kind === 0) {
    const spec = other.groups.get(group)
    return spec === undefined
      ? desired
      : { ...desired, groups: new Map(desired.groups).set(group, spec) }
  }
  if (kind === 1) {
    const members = other.members.get(group) ?? []
    return { ...desired, members: new Map(desired.members).set(group, members) }
  }
  const at = random.below(desired.nics.length)
  const nics = desired.nics.map((nic, index) => {
    if (index !== at || nic.groups.length === 0) return nic
    if (kind === 2) return { ...nic, groups: [random.pick([...desired.groups.keys()])] }
    const { neighbourDiscovery } = nic.alwaysOpen
    return { ...nic, alwaysOpen: { ...nic.alwaysOpen, neighbourDiscovery: !neighbourDiscovery } }
  })
  return { ...desired, nics }
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'bigint') return `${one}n`
    return one instanceof Map
      ? [...one].toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
      : one
  })

/** Each element a change of its own, so that the order and the bundles do not matter. */
function single(changes: readonly Change[]): readonly string[] {
  return changes
    .flatMap((change) =>
      'elements' in change
        ? change.elements.map((element) => text({ ...change, elements: [element] }))
        : [text(change)],
    )
    .toSorted()
}

const objects = ({ chains, sets }: TableObjects): string => text([chains, sets])

test('a change is planned from what differs as from the whole comparison', (t) => {
  const seed = Number(process.env.PURLIN_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`seed ${seed}`)
  let compared = 0
  for (let walk = 0; walk < WALKS; walk++) {
    const random = new Generator(seed + walk)
    const compiler = new Compiler({ form: random.pick(['measured', 'identity', 'linear']) })
    // Another key, so that nothing is remembered of what stood before.
    const forgetful = () => ({ compile: (one: NetfilterDesired) => compiler.compile(one) })
    let desired = randomDesired(random)
    let observed: NetfilterObserved = nothingObserved
    const settle = (): void => {
      for (let turn = 0; turn < 4; turn++) {
        const steps = planSteps(desired, observed, compiler)
        const whole = planSteps(desired, observed, forgetful())
        t.deepEqual(steps.map(tidying), whole.map(tidying), `walk ${walk}`)
        if (steps.length === 0) return
        for (const step of steps) observed = after(observed, step)
      }
      t.fail(`not settled: ${planSteps(desired, observed, compiler)[0]?.summary}`)
    }
    settle()
    for (let step = 0; step < STEPS; step++) {
      desired = changed(random, desired)
      const quick = planSteps(desired, observed, compiler)
      const whole = planSteps(desired, observed, forgetful())
      t.is(quick.length, whole.length, `walk ${walk} step ${step}`)
      const [one, other] = [quick[0], whole[0]]
      if (one?.verb === 'commit' && other?.verb === 'commit') {
        t.deepEqual(outline(one), outline(other), `walk ${walk} step ${step}`)
        compared++
      }
      settle()
    }
  }
  t.true(compared > WALKS * 5, `${compared} compared`)
})

/** Classes change around the turn where it is known what stands, and else with it: in what order is
 *  the matter of another test. */
function isOfRules(change: Change): boolean {
  return !('set' in change && change.set.name.startsWith('class-'))
}

/** What a step deletes of what nothing leads to any more. */
function tidying({ verb, ...step }: NetfilterStep) {
  return verb === 'settle' && 'difference' in step
    ? { verb, remove: single(step.difference.remove), summary: step.summary }
    : { verb }
}

function outline({ difference, wanted, affectedPorts, newPorts, summary }: CommitStep) {
  return {
    aside: single(difference.aside.filter(isOfRules)),
    flip: single(difference.flip.filter(isOfRules)),
    classes: single(difference.classes.filter(isOfRules)),
    wanted: objects(wanted),
    affectedPorts,
    newPorts,
    summary,
  }
}
