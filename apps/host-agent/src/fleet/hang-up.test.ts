import type { Run } from '@purlin/base'
import test from 'ava'
import { hangUp, memberPorts } from './hang-up.ts'

const signal = new AbortController().signal
const line = (state: string, far: string): string => `${state} 0 0 192.0.2.1:2379 ${far}   \n`

/** A kernel with these connections; `--kill` ends those that `ends` says. */
function kernel(far: readonly string[], ends: (one: string) => boolean, asked: string[]): Run {
  let standing = far
  return async (program, args) => {
    asked.push([program, ...args].join(' '))
    const stdout = standing.map((one) => line('ESTAB', one)).join('')
    if (args.includes('--kill')) standing = standing.filter((one) => !ends(one))
    return { exitCode: 0, stdout: `${stdout}${line('TIME-WAIT', '192.0.2.9:5')}`, stderr: '' }
  }
}

test('members on this host are told by its own addresses', (t) => {
  const endpoints = ['https://192.0.2.1:2379', 'https://192.0.2.2:2379', 'https://[fd00::1]:4001']
  t.deepEqual(memberPorts(endpoints, new Set(['192.0.2.1', 'fd00::1'])), [2379, 4001])
  t.deepEqual(memberPorts(endpoints, new Set(['192.0.2.7'])), [])
})

test('all connections to the members here are ended, and none is asked for where none is', async (t) => {
  const asked: string[] = []
  const run = kernel(['192.0.2.2:40000', '192.0.2.3:40001'], () => true, asked)
  t.is(await hangUp(run, [], signal), 0)
  t.deepEqual(asked, [])
  t.is(await hangUp(run, [2379, 2381], signal), 2)
  t.is(
    asked[1],
    'ss --tcp --numeric --no-header --kill state connected sport = :2379 or sport = :2381',
  )
})

test('a connection that the kernel leaves standing is told', async (t) => {
  const run = kernel(['192.0.2.2:40000', '192.0.2.3:40001'], (one) => one.endsWith('0'), [])
  const error = await t.throwsAsync(hangUp(run, [2379], signal), { code: 'PUR_FLEET_CERTIFICATE' })
  t.regex(error?.message ?? '', /1 of 2 still do, such as 192\.0\.2\.1:2379 192\.0\.2\.3:40001/)
})
