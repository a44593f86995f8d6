import { systemClock } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import { createEventLog, openSqliteStore } from '@purlin/store'
import test from 'ava'
import { EventTeller } from './event-teller.ts'

const event = (message: string): NewEvent => ({
  type: 'test',
  severity: 'notice',
  subject: { kind: 'Test', name: 'one' },
  message,
})

test('events told together are one write, in their order; later ones follow', async (t) => {
  const store = await openSqliteStore({ file: ':memory:' })
  const events = createEventLog(store, systemClock)
  const teller = new EventTeller(events, systemClock, (thrown) => t.fail(String(thrown)))
  teller.tell(event('a'))
  teller.tell(event('b'))
  await teller.flushed()
  const { revision } = await store.list('/event/')
  t.is(revision, 1)
  teller.tell(event('c'))
  await teller.flushed()
  const written = await events.read({})
  t.deepEqual(
    written.map(({ sequence, message }) => `${sequence} ${message}`),
    ['1 a', '2 b', '3 c'],
  )
  await store.close()
})

test('an event that cannot be written is said, and those after it go on', async (t) => {
  const lost: unknown[] = []
  const store = await openSqliteStore({ file: ':memory:' })
  const events = createEventLog(store, systemClock)
  const teller = new EventTeller(events, systemClock, (thrown) => lost.push(thrown))
  teller.tell({ ...event('too large'), message: 'x'.repeat(2_000_000) })
  await teller.flushed()
  teller.tell(event('after'))
  await teller.flushed()
  t.is(lost.length, 1)
  t.is((await events.read({})).at(-1)?.message, 'after')
  await store.close()
})
