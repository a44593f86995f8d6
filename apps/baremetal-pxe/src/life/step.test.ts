import { readFile } from 'node:fs/promises'
import { chassisAtRest, chassisStates } from '@purlin/schema'
import test from 'ava'
import { everyEvent, everyLife, lifeIn, NOW_MS, request } from '../../tests/support/lives.ts'
import { tableText } from '../../tests/support/table-text.ts'
import type { LifeEvent } from './event.ts'
import type { Life } from './life.ts'
import { step } from './step.ts'
import { lifeTable } from './table.ts'

test('every state of the schema has a row, and every word leads to a state', (t) => {
  t.deepEqual([...lifeTable.states].toSorted(), [...chassisStates].toSorted())
})

test('every state can be left, and every one that passes can fail', (t) => {
  for (const state of chassisStates) {
    const row: { readonly [word: string]: string; readonly fail?: string } = lifeTable.rows[state]
    t.true(
      Object.values(row).some((to) => to !== state),
      state,
    )
    if (!chassisAtRest(state)) t.is(row.fail, 'failed', state)
  }
})

test('every (state, event) is handled as it is written here; all others say why they are not', (t) => {
  const rows = everyLife().map(([name, life]) => {
    const byOutcome = Map.groupBy(everyEvent(life), ([, event]) => outcomeOf(life, event))
    const lines = [...byOutcome].map(
      ([outcome, events]) => `${events.map(([what]) => what).join(', ')}: ${outcome}`,
    )
    for (const line of lines) t.regex(line, /: (moved|ignored|refused): \S/)
    return [name, ...lines.filter((line) => line.includes(': moved: '))].join('\n  ')
  })
  t.snapshot(rows.join('\n'))
})

test('whatever happened, a life rests or has a deadline, and a failed one has a cause', (t) => {
  for (const [name, life] of everyLife()) {
    for (const [what, event] of everyEvent(life)) {
      const stepped = step(life, event, NOW_MS + 61_000)
      if (stepped.kind !== 'moved') continue
      const { state, deadlineAtMs, failure, grant } = stepped.life
      const rests = chassisAtRest(state)
      t.true(rests || deadlineAtMs !== undefined, `${name}, ${what}`)
      if (rests && state !== 'rescue') t.is(deadlineAtMs, undefined, `${name}, ${what}`)
      if (state === 'failed') {
        t.truthy(failure?.cause, `${name}, ${what}`)
        t.is(grant, undefined, `${name}, ${what}: a failed life leaves no token good`)
      }
    }
  }
})

test('the documentation shows the table as it is', async (t) => {
  const guide = new URL('../../../../docs/bare-metal-life.md', import.meta.url)
  t.true((await readFile(guide, 'utf8')).includes(tableText()))
})

test('a refused request names the state and what is possible there', (t) => {
  const stepped = step(
    lifeIn('enrolled'),
    { type: 'asked', request: { ask: 'rescue', sshKeys: [] } },
    NOW_MS,
  )
  t.deepEqual(stepped, {
    kind: 'refused',
    reason: 'rescue is not possible in state enrolled; possible: verify, power',
  })
})

test('a wish is taken up as soon as the chassis is available', (t) => {
  const discovering: Life = { ...lifeIn('discovering', 'contacted'), wish: request }
  const judgement = { identity: 'same', bootMacSeen: true, words: '' } as const
  const stepped = step(discovering, { type: 'reported', reportId: 1, judgement }, NOW_MS)
  t.is(stepped.kind, 'moved')
  if (stepped.kind !== 'moved') return
  t.deepEqual(
    stepped.transitions.map(({ to }) => to),
    ['available', 'preparing'],
  )
  t.deepEqual(stepped.life.asked, request)
  t.is(stepped.life.wish, undefined)
})

function outcomeOf(life: Life, event: LifeEvent): string {
  const stepped = step(life, event, NOW_MS + 61_000)
  if (stepped.kind !== 'moved') return `${stepped.kind}: ${stepped.reason}`
  const words = stepped.transitions.map(({ word, to }) => `${word} → ${to}`)
  const todo = stepped.life.pending.map(({ work }) => work.do).join(', ')
  const cause = stepped.life.state === 'failed' ? ` because ${stepped.life.failure?.cause}` : ''
  return `moved: ${words.join(', ')}${todo === '' ? '' : `; to do: ${todo}`}${cause}`
}

test('an erasure goes on as long as it tells its progress, but not for ever', (t) => {
  const told = { type: 'told', step: 'erasing' } as const
  let life = lifeIn('erasing')
  for (let minutes = 0; minutes <= 10 * 24 * 60; minutes += 10) {
    const nowMs = NOW_MS + minutes * 60_000
    const over = step(life, { type: 'time' }, nowMs)
    if (over.kind === 'moved') {
      t.is(minutes, 48 * 60)
      t.is(over.life.failure?.cause, 'the disks were not erased')
      return
    }
    const stepped = step(life, told, nowMs)
    if (stepped.kind === 'moved') life = stepped.life
  }
  t.fail('it goes on for ever')
})
