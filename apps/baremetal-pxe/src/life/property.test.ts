import { chassisAtRest, chassisStates } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { everyEvent, lifeIn, MAC, NOW_MS } from '../../tests/support/lives.ts'
import { bootPlan } from './boot-plan.ts'
import type { WitnessedEvent } from './event.ts'
import { type Life, newLife } from './life.ts'
import { step } from './step.ts'

const MINUTE_MS = 60_000

interface Moved {
  readonly before: Life
  readonly event: WitnessedEvent
  readonly after: Life
}

/** Where to look for the next event, and the time that passes before it. */
const course = fc.array(
  fc.record({
    pick: fc.nat(10_000),
    passMs: fc.constantFrom(0, 1_000, MINUTE_MS, 11 * MINUTE_MS, 200 * MINUTE_MS),
  }),
  { minLength: 40, maxLength: 80, size: 'max' },
)

/** A course of events that fit the life as it stands. Every other one is what a machine or its BMC
 *  does; one in eight may be one by which the life fails, or else most courses would end before
 *  they had begun. */
function follow(begin: Life, picks: readonly { readonly pick: number; readonly passMs: number }[]) {
  const moves: Moved[] = []
  let life = begin
  let nowMs = NOW_MS
  for (const { pick, passMs } of picks) {
    nowMs += passMs
    const events = everyEvent(life).map(([, event]) => event)
    const own = events.filter(({ type }) => type !== 'asked' && type !== 'power-seen')
    const chosen = pick % 2 === 0 ? [...rotated(own, pick), ...events] : rotated(events, pick)
    for (const event of chosen) {
      const stepped = step(life, event, nowMs)
      if (stepped.kind !== 'moved') continue
      if (stepped.life.state === 'failed' && life.state !== 'failed' && pick % 8 !== 0) continue
      moves.push({ before: life, event, after: stepped.life })
      life = stepped.life
      break
    }
  }
  return moves
}

function rotated<Value>(values: readonly Value[], by: number): readonly Value[] {
  // Small numbers are drawn more often; the product spreads them.
  const at = (Math.imul(by, 0x9e_37_79_b1) >>> 8) % values.length
  return [...values.slice(at), ...values.slice(0, at)]
}

const begins = [
  newLife({ name: 'c1', uid: 'u', bootMac: MAC, firmware: 'bios' }, NOW_MS),
  lifeIn('available'),
  lifeIn('booting', 'powered', 'image'),
  lifeIn('active'),
  lifeIn('booting', 'contacted', 'install'),
]

/** The same courses for every property: made once, by one seed. */
const courses = fc
  .sample(course, { seed: 10, numRuns: 200 })
  .flatMap((picks) => begins.map((begin) => follow(begin, picks)))

function property(title: string, holds: (moves: readonly Moved[]) => void): void {
  test(title, (t) => {
    for (const moves of courses) holds(moves)
    t.pass()
  })
}

function expect(holds: boolean, what: string, { before, event, after }: Moved): void {
  if (holds) return
  const told = JSON.stringify({ event, before, after }).slice(0, 2_000)
  throw new Error(`${what}: ${before.state} to ${after.state}: ${told}`)
}

property(
  'whatever happens, a life rests or has a deadline, and a failed one has a cause',
  (moves) => {
    for (const move of moves) {
      const { state, deadlineAtMs, failure } = move.after
      const rests = chassisAtRest(state)
      expect(rests || deadlineAtMs !== undefined, 'neither rest nor deadline', move)
      expect(state !== 'failed' || (failure?.cause ?? '') !== '', 'failed without a cause', move)
    }
  },
)

property('an installation begins by a request alone, and once for each', (moves) => {
  let allowed = 0
  for (const move of moves) {
    const { event, before, after } = move
    const asked = event.type === 'asked' && ['deploy', 'retry'].includes(event.request.ask)
    if (asked) allowed += 1
    const began = before.state !== 'preparing' && after.state === 'preparing'
    if (!began) continue
    expect(allowed > 0, 'an installation that nobody asked for', move)
    allowed -= 1
  }
})

property('nothing is written before the machine was proved in this very boot', (moves) => {
  let proved = moves[0]?.before.boot?.trusted ?? false
  for (const move of moves) {
    const { event, before, after } = move
    const image = after.boot?.purpose !== 'install'
    if (event.type === 'contact') proved = !image && event.machine !== 'other'
    if (event.type === 'reported' && image) {
      proved = event.judgement.identity === 'same' && event.judgement.bootMacSeen
    }
    const writes = ['installing', 'partitioning', 'writing', 'bootloader']
    const begins = writes.includes(after.state) && before.state === 'booting'
    expect(!begins || (proved && after.proven === true), 'a stranger is written to', move)
    const erases = after.state === 'erasing' && after.boot?.working === true
    expect(!erases || before.boot?.working === true || proved, 'a stranger is erased', move)
  }
})

property('what was on touched disks is erased before the chassis is available', (moves) => {
  for (const move of moves) {
    const { before, after } = move
    if (after.state !== 'available' || before.state === 'available') continue
    const dirty = before.deployment?.touched === true || before.eraseOwed === true
    expect(!dirty, 'available with what another left', move)
    expect(after.deployment === undefined, 'available and still an instance’s', move)
  }
})

property('no token outlives its boot', (moves) => {
  for (const move of moves) {
    const { state, grant, boot } = move.after
    const none = ['enrolled', 'verifying', 'manageable', 'available', 'preparing', 'failed']
    const over = none.includes(state) || state === 'cancelling' || state === 'leaving'
    expect(!over || grant === undefined, 'a token is good and nothing is under way', move)
    const ordered = move.after.pending.some(({ work }) => work.do === 'stop')
    expect(!ordered || grant === undefined, 'a token of the boot before is good', move)
    expect(grant === undefined || boot !== undefined, 'a token without a boot', move)
    if (state === 'active' && grant !== undefined) {
      expect(grant.steps.join() === 'running', 'an installed system may tell more', move)
    }
  }
})

property('an installer is served to a life that waits for one and to no other', (moves) => {
  for (const move of moves) {
    const plan = bootPlan(move.after)
    if (plan.boot === 'installer') expect(move.after.state === 'booting', 'installer', move)
    if (move.after.state === 'active') expect(plan.boot === 'disk', 'not its disk', move)
  }
})

test('the courses of these tests come through every state', (t) => {
  const seen = new Set(courses.flatMap((moves) => moves.map(({ after }) => after.state)))
  t.deepEqual([...seen].toSorted(), [...chassisStates].toSorted())
})
