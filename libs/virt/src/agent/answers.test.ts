import { PurlinError } from '@purlin/base'
import test from 'ava'
import { readExecStatus, readReturn } from './answers.ts'

test('a refusal of the agent is told in its own words', (t) => {
  const answer = JSON.stringify({ error: { class: 'GenericError', desc: 'PID 7 does not exist' } })
  const error = t.throws(() => readReturn(answer, 'guest-exec-status of machine a'), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_VIRT_FAILED')
  t.regex(error?.message ?? '', /PID 7 does not exist$/)
})

for (const answer of ['', '[]', 'null', '{"return"', '{}', '7']) {
  test(`${JSON.stringify(answer)} is no answer of an agent`, (t) => {
    const error = t.throws(() => readReturn(answer, 'guest-ping'), { instanceOf: PurlinError })
    t.is(error?.code, 'PUR_VIRT_AGENT_UNRESPONSIVE')
  })
}

test('a program that runs has no status yet', (t) => {
  t.is(readExecStatus({ exited: false }), undefined)
  t.is(readExecStatus(null), undefined)
})
