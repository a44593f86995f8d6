import test from 'ava'
import { LIFECYCLE_EVENTS } from '../port/event.ts'
import {
  isActive,
  powerEventOf,
  powerStateAfter,
  powerStateOf,
  powerStates,
  readPowerState,
} from './power-state.ts'

for (const state of powerStates.states) {
  for (const event of [...LIFECYCLE_EVENTS, 'saved'] as const) {
    const rows: Readonly<Record<string, Readonly<Record<string, string>>>> = powerStates.rows
    const wanted = rows[state]?.[event] ?? 'unclear'
    test(`${state}, ${event}: ${wanted}`, (t) => {
      t.is(powerStateAfter(state, event), wanted as ReturnType<typeof powerStateAfter>)
    })
  }
}

test('what runs is changed neither by a new definition nor by the loss of it', (t) => {
  for (const state of powerStates.states.filter(isActive)) {
    t.is(powerStateAfter(state, 'defined'), state)
    t.is(powerStateAfter(state, 'undefined'), state)
  }
})

test('stopped ends every active state', (t) => {
  for (const state of powerStates.states.filter(isActive)) {
    t.is(powerStateAfter(state, 'stopped'), 'stopped')
  }
})

test('libvirt says resumed before started when a machine starts', (t) => {
  const resumed = powerStates.next('stopped', 'resumed')
  t.is(resumed, 'running')
  t.is(powerStates.next(resumed, 'started'), 'running')
})

test('a number that is not known counts as running, so that nothing is started twice', (t) => {
  t.deepEqual([0, 1, 2, 3, 4, 5, 6, 7, 99].map(readPowerState), [
    'stopped',
    'running',
    'running',
    'paused',
    'stopping',
    'stopped',
    'crashed',
    'sleeping',
    'running',
  ])
})

test('an end with saved memory is told from other ends by its detail and by a reading', (t) => {
  t.is(powerEventOf('stopped', 4), 'saved')
  t.is(powerEventOf('stopped', 1), 'stopped')
  t.is(powerEventOf('crashed', 4), 'crashed')
  for (const state of powerStates.states.filter(isActive)) {
    t.is(powerStateAfter(state, 'saved'), 'suspended')
  }
  t.is(powerStateOf({ state: 5, managedSave: true }), 'suspended')
  t.is(powerStateOf({ state: 5, managedSave: false }), 'stopped')
  t.is(powerStateOf({ state: 1, managedSave: true }), 'running')
  t.false(isActive('suspended'))
})
