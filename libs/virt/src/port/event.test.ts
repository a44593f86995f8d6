import test from 'ava'
import { closeReason, LIFECYCLE_EVENTS, readEvent } from './event.ts'

const raw = { domain: 'web-1', uuid: 'u', event: 0, detail: 0, dropped: 0 } as const

test('every lifecycle number has its word', (t) => {
  LIFECYCLE_EVENTS.forEach((event, number) => {
    const read = readEvent({ ...raw, kind: 'lifecycle', event: number, detail: 3 })
    t.deepEqual(read, { kind: 'lifecycle', domain: 'web-1', uuid: 'u', event, detail: 3 })
  })
})

test('a lifecycle number of a newer libvirt is left out', (t) => {
  t.is(readEvent({ ...raw, kind: 'lifecycle', event: 99 }), undefined)
})

test('the agent connects by its channel and disconnects with a start', (t) => {
  const connected = readEvent({ ...raw, kind: 'agent', event: 1, detail: 2 })
  t.like(connected, { kind: 'agent', state: 'connected', reason: 'channel' })
  const disconnected = readEvent({ ...raw, kind: 'agent', event: 2, detail: 1 })
  t.like(disconnected, { kind: 'agent', state: 'disconnected', reason: 'domain-started' })
})

test('the end of a connection is named', (t) => {
  t.is(closeReason(2), 'keep-alive messages stay unanswered')
  t.is(closeReason(9), 'reason 9')
})
