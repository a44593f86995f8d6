import test from 'ava'
import { PurlinError } from './errors/purlin-error.ts'
import { stateTable } from './state-table.ts'

const door = stateTable({
  open: { close: 'closed' },
  closed: { open: 'open', lock: 'locked' },
})

test('every (state, event) leads where the table says or is refused', (t) => {
  const reached = door.states.flatMap((state) =>
    door.events.map((event) => [
      state,
      event,
      door.allows(state, event) ? door.next(state, event) : 'refused',
    ]),
  )
  t.deepEqual(reached, [
    ['open', 'close', 'closed'],
    ['open', 'open', 'refused'],
    ['open', 'lock', 'refused'],
    ['closed', 'close', 'refused'],
    ['closed', 'open', 'open'],
    ['closed', 'lock', 'locked'],
    ['locked', 'close', 'refused'],
    ['locked', 'open', 'refused'],
    ['locked', 'lock', 'refused'],
  ])
})

test('an illegal event names what is possible', (t) => {
  const error = t.throws(() => door.next('closed', 'close'), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_STATE_ILLEGAL')
  t.is(error?.message, 'close is not possible in state closed; possible there: open, lock')
  t.throws(() => door.next('locked', 'open'), { message: /possible there: none$/ })
})

test('names that every object has are no events', (t) => {
  t.false(door.allows('open', 'constructor' as 'open'))
  t.false(door.allows('toString' as 'open', 'open'))
})
