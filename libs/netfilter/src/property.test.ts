import test from 'ava'
import { compile } from './compile/compile.ts'
import { Compiler } from './compile/compiler.ts'
import { ruleLabel } from './compile/decided.ts'
import { decide } from './compile/evaluate.ts'
import type { CompiledRuleset } from './compile/ruleset.ts'
import { type FlatList, flatten } from './flatten.ts'
import { decidingRule, interpret } from './interpret.ts'
import type { Packet } from './packet.ts'
import type { Direction, NetfilterDesired } from './policy/desired.ts'
import { Generator } from './testing/generator.ts'
import { type FormName, type Mutation, mutations } from './testing/mutations.ts'
import { boundariesOf, randomPacket } from './testing/random-packet.ts'
import { randomDesired, withMemberChange } from './testing/random-policy.ts'

const seed = Number(process.env.PURLIN_SEED ?? Date.now() % 1_000_000_007)
/** Mutations are looked for under this seed, so that whether one is found is not up to chance. */
const MUTATION_SEED = 20_261_121
const FORMS: readonly FormName[] = ['linear', 'identity']

interface Course {
  readonly seed: number
  readonly policies: number
  /** Between two rounds of packets somebody joins or leaves a group. */
  readonly rounds: number
  readonly packetsARound: number
  readonly forms: readonly FormName[]
  readonly mutation?: Mutation
}

interface Outcome {
  readonly packets: number
  readonly allowed: number
  readonly logged: number
  readonly found: readonly string[]
}

/** Differences between the meaning and the compiled forms: the verdict, the rule that decides and
 *  whether it is logged. */
function run({ seed, policies, rounds, packetsARound, forms, mutation }: Course): Outcome {
  const random = new Generator(seed)
  const found: string[] = []
  let allowed = 0
  let logged = 0
  for (let policy = 0; policy < policies; policy++) {
    let desired = randomDesired(random)
    const compilers = forms.map((form) => compilerOf(form, mutation))
    for (let round = 0; round < rounds; round++) {
      if (round > 0) desired = withMemberChange(random, desired)
      const lists = listsOf(desired)
      const compiled = compilers.map((make) => make(desired))
      const boundaries = boundariesOf(desired)
      for (let at = 0; at < packetsARound; at++) {
        const nic = random.pick(desired.nics)
        const direction: Direction = random.chance(50) ? 'inbound' : 'outbound'
        const packet = randomPacket(random, boundaries)
        const list = lists.get(`${nic.port} ${direction}`)
        if (list === undefined) continue
        const meant = meaningOf(list, packet)
        if (meant.startsWith('accept')) allowed++
        if (meant.endsWith('logged')) logged++
        compiled.forEach((ruleset, index) => {
          const done = outcomeOf(ruleset, nic.port, direction, packet)
          if (done === meant) return
          found.push(`policy ${policy} ${nic.port} ${direction} ${forms[index]}: ${meant}, ${done}`)
        })
      }
    }
  }
  return { packets: policies * rounds * packetsARound, allowed, logged, found }
}

function compilerOf(form: FormName, mutation: Mutation | undefined) {
  const reads = mutation?.reads ?? ((list: FlatList) => list)
  const writes = mutation?.writes ?? ((ruleset: CompiledRuleset) => ruleset)
  const compiler = new Compiler({ form, flatten: (...given) => reads(flatten(...given)) })
  return (desired: NetfilterDesired): CompiledRuleset => writes(compiler.compile(desired))
}

function listsOf(desired: NetfilterDesired): ReadonlyMap<string, FlatList> {
  const directions: readonly Direction[] = ['inbound', 'outbound']
  return new Map(
    desired.nics.flatMap((nic) =>
      directions.map((direction) => [`${nic.port} ${direction}`, flatten(nic, direction, desired)]),
    ),
  )
}

function meaningOf(list: FlatList, packet: Packet): string {
  const verdict = interpret(list, packet) === 'allow' ? 'accept' : 'drop'
  const rule = decidingRule(list, packet)
  if (rule === undefined) return verdict
  return `${verdict} ${ruleLabel(rule.provenance, list.direction)}${rule.log ? ' logged' : ''}`
}

function outcomeOf(
  ruleset: CompiledRuleset,
  port: string,
  direction: Direction,
  packet: Packet,
): string {
  const decided = decide(ruleset, port, direction, packet)
  if (decided === undefined) return 'no such NIC'
  const { id, verdict, log } = decided
  const byRule = /\/(?:inbound|outbound)\/|\/members$/.test(id)
  return byRule ? `${verdict} ${id}${log ? ' logged' : ''}` : verdict
}

test('both forms decide a million packets as the interpreter does, and say by which rule', (t) => {
  const outcome = run({ seed, policies: 500, rounds: 4, packetsARound: 500, forms: FORMS })
  const { packets, allowed, logged, found } = outcome
  t.log(`PURLIN_SEED=${seed}: ${packets} packets, ${allowed} allowed, ${found.length} differences`)
  t.true(packets >= 1_000_000)
  t.true(allowed > packets / 10 && allowed < (packets * 9) / 10 && logged > packets / 100)
  t.deepEqual(found.slice(0, 3), [], `PURLIN_SEED=${seed} repeats it`)
})

test('what is compiled after changes of members is what is compiled anew', (t) => {
  const random = new Generator(seed)
  for (let policy = 0; policy < 40; policy++) {
    const compiler = new Compiler({ form: 'identity' })
    let desired = randomDesired(random)
    for (let change = 0; change < 5; change++) {
      const kept = compiler.compile(desired)
      const { classNumbers } = kept
      const anew = compile(desired, { form: 'identity', classNumbers })
      t.deepEqual(plain(kept), plain(anew), `PURLIN_SEED=${seed}`)
      desired = withMemberChange(random, desired)
    }
  }
})

function plain({ lists, views, classes, sets, opens, nics }: CompiledRuleset) {
  const entries = <Value>(map: ReadonlyMap<string | number, Value>) =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    nics,
    lists: entries(lists),
    views: entries(views).map(([key, view]) => [key, entries(view.classes)]),
    classes: [entries(classes.ipv4.classes), entries(classes.ipv6.classes)],
    sets: entries(sets),
    opens: entries(opens),
  }
}

for (const [name, mutation] of Object.entries(mutations)) {
  for (const form of mutation.forms) {
    test(`a compiler at fault is caught, ${form} form: ${name}`, (t) => {
      const course = { seed: MUTATION_SEED, policies: 40, rounds: 2, packetsARound: 300 }
      const { found } = run({ ...course, forms: [form], mutation })
      t.log(`${found.length} differences`)
      t.true(found.length > 0)
    })
  }
}
