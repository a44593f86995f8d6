import { run } from '@purlin/base'
import test from 'ava'
import { fixedAgent } from '../tests/agent.ts'
import { routes, samples } from '../tests/samples.ts'

const main = new URL('main.ts', import.meta.url).pathname
const node = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning', main]

test('the process prints the result and ends by itself with the exit code', async (t) => {
  await using agent = await fixedAgent(routes)
  const options = {
    timeoutMs: 60_000,
    environment: { PURLIN_SOCKET: agent.socketPath },
    acceptedExitCodes: [1, 2, 7],
  }
  const listed = await run(process.execPath, [...node, 'get', 'vm', '-o', 'json'], options)
  t.deepEqual(JSON.parse(listed.stdout), samples.machines)
  t.is(listed.stderr, '')
  const exec = await run(process.execPath, [...node, 'vm', 'exec', 'web-1', '--', 'true'], options)
  t.deepEqual(exec, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' })
  t.is((await run(process.execPath, [...node, 'paint'], options)).exitCode, 2)
})

test('a reader that has seen enough is no error', async (t) => {
  const items = Array.from({ length: 5_000 }, () => samples.machines[0])
  await using agent = await fixedAgent({ ...routes, 'GET /v1/virtual-machines': [200, { items }] })
  const script = 'set -o pipefail; "$@" get vm -o json | head -n 1'
  const ended = await run('bash', ['-c', script, 'bash', process.execPath, ...node], {
    timeoutMs: 60_000,
    environment: { PURLIN_SOCKET: agent.socketPath },
  })
  t.deepEqual(ended, { exitCode: 0, stdout: '[\n', stderr: '' })
})
