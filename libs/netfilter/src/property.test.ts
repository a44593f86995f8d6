import test from 'ava'
import { compile } from './compile/compile.ts'
import { evaluate } from './compile/evaluate.ts'
import type { CompiledRuleset } from './compile/ruleset.ts'
import { flatten } from './flatten.ts'
import { interpret } from './interpret.ts'
import { Generator } from './testing/generator.ts'
import { mutations } from './testing/mutations.ts'
import { randomDesired, randomPacket } from './testing/random-policy.ts'

const PACKETS_A_POLICY = 400
const seed = Number(process.env.PURLIN_SEED ?? Date.now() % 1_000_000_007)

/** Differences between the meaning and a compiled form, over policies made from the seed. */
function differences(
  policies: number,
  form: (ruleset: CompiledRuleset) => CompiledRuleset,
): { readonly packets: number; readonly accepted: number; readonly found: string[] } {
  const random = new Generator(seed)
  const found: string[] = []
  let accepted = 0
  for (let policy = 0; policy < policies; policy++) {
    const desired = randomDesired(random)
    const compiled = form(compile(desired))
    for (let at = 0; at < PACKETS_A_POLICY; at++) {
      const nic = random.pick(desired.nics)
      const direction = random.pick(['inbound', 'outbound'] as const)
      const packet = randomPacket(random)
      const meaning = interpret(flatten(nic, direction, desired), packet)
      const verdict = evaluate(compiled, nic.port, direction, packet)
      if (meaning === 'allow') accepted++
      if ((meaning === 'allow' ? 'accept' : 'drop') === verdict) continue
      found.push(`policy ${policy}, ${nic.port} ${direction}: ${meaning}, compiled ${verdict}`)
    }
  }
  return { packets: policies * PACKETS_A_POLICY, accepted, found }
}

test('the linear form decides every packet as the interpreter does', (t) => {
  const { packets, accepted, found } = differences(300, (ruleset) => ruleset)
  t.log(`seed ${seed}: ${packets} packets, ${accepted} allowed, ${found.length} differences`)
  t.true(packets >= 100_000)
  t.true(accepted > packets / 10 && accepted < (packets * 9) / 10)
  t.deepEqual(found.slice(0, 3), [])
})

for (const [name, mutate] of Object.entries(mutations)) {
  test(`a compiler at fault is caught: ${name}`, (t) => {
    const { found } = differences(40, mutate)
    t.true(found.length > 0, `seed ${seed}`)
  })
}
