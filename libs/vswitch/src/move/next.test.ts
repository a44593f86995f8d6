import type { PortMove } from '@purlin/schema'
import { movePhases } from '@purlin/schema'
import test from 'ava'
import { type MoveSight, movedOn, nextMoveEvent } from './next.ts'
import { portMoves } from './phase.ts'

const move = (phase: PortMove['phase']): PortMove => {
  return { from: 'old', to: 'new', phase, untilMs: 1_000 }
}
const sight = (host: string, seen: Partial<MoveSight> = {}): MoveSight => {
  const nothing = { stands: false, hasTap: false, isCurrent: false, isFresh: false }
  return { host, nowMs: 0, ...nothing, ...seen }
}

test('every phase knows these events and no other', (t) => {
  const known = movePhases.map((phase) => [
    phase,
    portMoves.events.filter((event) => portMoves.allows(phase, event)),
  ])
  t.deepEqual(Object.fromEntries(known), {
    preparing: ['stands', 'cancel'],
    prepared: ['cancel', 'left'],
    carried: ['taken', 'outdated'],
    opened: ['came', 'wait'],
  })
  t.throws(() => movedOn(move('carried'), 'cancel'), { code: 'PUR_STATE_ILLEGAL' })
  t.deepEqual(movedOn(move('preparing'), 'stands'), move('prepared'))
  t.is(movedOn(move('opened'), 'came'), undefined)
})

test('the machine may leave only when rules and port of all its NICs stand on the new host', (t) => {
  const [stands, lacks] = [sight('new', { stands: true }), sight('new')]
  t.is(nextMoveEvent(move('preparing'), [stands, lacks]), undefined)
  t.is(nextMoveEvent(move('preparing'), [stands, stands]), 'stands')
  t.is(nextMoveEvent(move('preparing'), [sight('old', { stands: true })]), undefined)
  t.is(nextMoveEvent(move('preparing'), [sight('other', { stands: true })]), undefined)
})

test('connections are read when the machine has left, by the old host, under the newest rules', (t) => {
  const gone = { hasTap: false, isCurrent: true }
  t.is(nextMoveEvent(move('prepared'), [sight('old', gone)]), 'left')
  t.is(nextMoveEvent(move('prepared'), [sight('old', { ...gone, isCurrent: false })]), undefined)
  t.is(
    nextMoveEvent(move('prepared'), [sight('old', gone), sight('old', { ...gone, hasTap: true })]),
    undefined,
  )
  t.is(nextMoveEvent(move('prepared'), [sight('new', gone)]), undefined)
})

test('connections that were read before a change of rules are read again', (t) => {
  t.is(nextMoveEvent(move('carried'), [sight('new', { isFresh: true })]), 'taken')
  t.is(nextMoveEvent(move('carried'), [sight('new')]), 'outdated')
  t.is(nextMoveEvent(move('carried'), [sight('old', { isFresh: true })]), undefined)
})

test('a move is given up in time while the machine is where it was, and never after', (t) => {
  const late = { nowMs: 1_000, hasTap: true, isCurrent: true }
  t.is(nextMoveEvent(move('preparing'), [sight('old', late)]), 'cancel')
  t.is(nextMoveEvent(move('preparing'), [sight('new', late)]), 'cancel')
  t.is(nextMoveEvent(move('prepared'), [sight('old', late)]), 'cancel')
  t.is(nextMoveEvent(move('prepared'), [sight('old', { ...late, hasTap: false })]), 'left')
  t.is(nextMoveEvent(move('carried'), [sight('old', late)]), undefined)
  t.is(nextMoveEvent(move('opened'), [sight('new', { nowMs: 1_000 })]), 'wait')
})

test('a move ends when the machine has come to a port that stands', (t) => {
  t.is(nextMoveEvent(move('opened'), [sight('new', { hasTap: true, stands: true })]), 'came')
  t.is(nextMoveEvent(move('opened'), [sight('new', { hasTap: true })]), undefined)
  t.is(nextMoveEvent(move('opened'), []), undefined)
})
