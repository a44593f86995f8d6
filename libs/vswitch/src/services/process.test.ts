import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test from 'ava'
import { identityOf, launch, type ProcessState, signalProcess, stateOf } from './process.ts'

test('a process that runs, is stopped and ends is told as such', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-process-'))
  const identity = launch('sleep', ['60'], join(folder, 'log'))
  t.is(stateOf(identity), 'running')
  const settles = async (wanted: ProcessState): Promise<void> => {
    for (let round = 0; round < 500 && stateOf(identity) !== wanted; round++) {
      await systemClock.sleep(5)
    }
    t.is(stateOf(identity), wanted)
  }
  t.true(signalProcess(identity, 'SIGSTOP'))
  await settles('stopped')
  t.true(signalProcess(identity, 'SIGKILL'))
  await settles('gone')
  t.false(signalProcess(identity, 'SIGKILL'))
  await rm(folder, { recursive: true })
})

test('another process with the same number is not mistaken for it', (t) => {
  const self = identityOf(process.pid)
  t.is(stateOf(self), 'running')
  t.is(stateOf(self && { ...self, startTicks: '1' }), 'gone')
  t.is(stateOf(undefined), 'gone')
})

test('a program that does not exist is named', (t) => {
  t.throws(() => launch('/nonexistent/program', [], '/dev/null'), {
    code: 'PUR_EXEC_NOT_FOUND',
    message: /nonexistent/,
  })
})
