import test from 'ava'
import { machineVerbs } from './machine-power.ts'

/** Every cell: the state, what is asked, what the machine then should be. */
const CELLS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  absent: {},
  stopped: { start: 'running' },
  suspended: { resume: 'running', stop: 'stopped', destroy: 'stopped' },
  running: {
    stop: 'stopped',
    destroy: 'stopped',
    reboot: 'running',
    reset: 'running',
    pause: 'paused',
    suspend: 'suspended',
  },
  paused: {
    resume: 'running',
    stop: 'stopped',
    destroy: 'stopped',
    reset: 'paused',
    suspend: 'suspended',
  },
  stopping: { stop: 'stopped', destroy: 'stopped' },
  sleeping: { resume: 'running', stop: 'stopped', destroy: 'stopped', reset: 'running' },
  crashed: { stop: 'stopped', destroy: 'stopped' },
}

for (const state of machineVerbs.states) {
  for (const verb of machineVerbs.events) {
    const wanted = CELLS[state]?.[verb]
    test(`${verb} of a machine that is ${state}: ${wanted ?? 'not possible'}`, (t) => {
      t.is(machineVerbs.allows(state, verb), wanted !== undefined)
      if (wanted !== undefined) t.is(machineVerbs.next(state, verb), wanted as typeof state)
    })
  }
}

test('a machine that has a guest can always be stopped, and only one that is off is started', (t) => {
  for (const state of machineVerbs.states.filter((one) => one !== 'absent' && one !== 'stopped')) {
    t.true(machineVerbs.allows(state, 'stop') && machineVerbs.allows(state, 'destroy'), state)
    t.false(machineVerbs.allows(state, 'start'), state)
  }
})
