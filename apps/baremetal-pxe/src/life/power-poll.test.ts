import { createVirtualClock } from '@purlin/base'
import type { Bmc } from '@purlin/bmc'
import test from 'ava'
import { PowerPoll } from './power-poll.ts'

test('a thousand chassis: each is looked at once a minute, sixteen at once', async (t) => {
  const clock = createVirtualClock()
  const names = Array.from({ length: 1_000 }, (_, index) => `c${index}`)
  const looks = new Map<string, number>()
  let atOnce = 0
  let most = 0
  const seen = new Set<string>()
  const bmcOf = async (name: string): Promise<Bmc> => {
    const powerState = async (): Promise<'on'> => {
      atOnce += 1
      most = Math.max(most, atOnce)
      await clock.sleep(100)
      atOnce -= 1
      looks.set(name, (looks.get(name) ?? 0) + 1)
      return 'on'
    }
    return { powerState } as unknown as Bmc
  }
  const onSeen = (name: string): void => void seen.add(name)
  const quiet = { onAway: () => t.fail(), onBack: () => t.fail() }
  const options = { clock, everyMs: 60_000, chassis: () => names, bmcOf, onSeen, ...quiet }
  const poll = new PowerPoll(options)
  poll.start()
  await clock.advance(30_000)
  t.is(looks.size, 1_000)
  t.is(seen.size, 0, 'once seen is not yet believed')
  await clock.advance(60_000)
  t.deepEqual(new Set(looks.values()), new Set([2]))
  t.is(most, 16)
  t.is(seen.size, 1_000)
  await Promise.all([poll.stop(), clock.advance(1_000)])
})

test('a BMC that stays away is told once, with why, and once that it is back; it holds up no other', async (t) => {
  const clock = createVirtualClock()
  let away = true
  const bmcOf = async (name: string): Promise<Bmc> => {
    if (name === 'away' && away) throw new Error('no session')
    return { powerState: async () => 'off' } as unknown as Bmc
  }
  const told: string[] = []
  const poll = new PowerPoll({
    clock,
    everyMs: 60_000,
    chassis: () => ['away', 'here'],
    bmcOf,
    onSeen: () => {},
    onAway: (name, thrown) => told.push(`${name}: ${thrown}`),
    onBack: (name) => told.push(`${name} is back`),
  })
  poll.start()
  await clock.advance(60_001)
  t.like(poll.reading('away'), { power: 'unknown', trouble: 'no session', vain: 2 })
  t.like(poll.reading('here'), { power: 'off' })
  t.deepEqual(told, [])
  await clock.advance(300_000)
  t.deepEqual(told, ['away: Error: no session'])
  away = false
  await clock.advance(120_000)
  t.deepEqual(told, ['away: Error: no session', 'away is back'])
  await Promise.all([poll.stop(), clock.advance(60_000)])
})
