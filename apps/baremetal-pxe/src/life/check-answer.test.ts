import { PurlinError, type Run, run } from '@purlin/base'
import { installerTargets } from '@purlin/deployment-template'
import test from 'ava'
import { MAC } from '../../tests/support/lives.ts'
import { inputsOf, MEDIUM, reportOf } from '../../tests/support/samples.ts'
import { checkAnswer } from './check-answer.ts'
import { planDeployment } from './plan-deployment.ts'

const { signal } = new AbortController()

function answerFor(target: (typeof installerTargets)[number]): string {
  const planned = planDeployment({
    inputs: inputsOf('db-1'),
    report: reportOf(),
    bootMac: MAC,
    firmware: 'bios',
    source: { ...MEDIUM, target },
    nodeUrl: 'http://10.88.0.1:8088/node/TOKEN',
    serverUrl: 'http://10.88.0.1:8088',
  })
  if (!planned.ok) throw new Error(JSON.stringify(planned.error))
  return planned.value.answer?.content ?? ''
}

test('answers of every family pass their validator, where this host has it', async (t) => {
  for (const target of installerTargets) {
    t.is(await checkAnswer(run, target, answerFor(target), signal), '', target)
  }
})

test('debconf’s warning about a wrong type is a refusal, though it ends with 0', async (t) => {
  const warned: Run = async () => ({
    exitCode: 0,
    stdout: '',
    stderr: 'warning: Unknown type bolean, skipping line 1\n',
  })
  const words = await checkAnswer(warned, 'debian-13', 'd-i a/b bolean true\n', signal)
  t.is(words, 'debconf: warning: Unknown type bolean, skipping line 1')
})

test('a kickstart that the installer’s own reader refuses is refused with its words', async (t) => {
  const seen: string[] = []
  const refusing: Run = async (program, args) => {
    seen.push([program, ...args].join(' '))
    return { exitCode: 1, stdout: 'line 3: unrecognized option --frobnicate', stderr: '' }
  }
  const words = await checkAnswer(refusing, 'rhel-9', 'part --frobnicate\n', signal)
  t.regex(words, /^ksvalidator: line 3: unrecognized option --frobnicate/)
  t.deepEqual(seen, ['ksvalidator -v RHEL9 /dev/stdin'])
})

test('what is no JSON is refused; a validator that is not installed refuses nothing', async (t) => {
  t.regex(await checkAnswer(run, 'sles-16', '{', signal), /^not JSON: /)
  const missing: Run = async (program) => {
    throw new PurlinError('PUR_EXEC_NOT_FOUND', { message: `${program}: not found` })
  }
  t.is(await checkAnswer(missing, 'sles-15', '<profile>', signal), '')
})
