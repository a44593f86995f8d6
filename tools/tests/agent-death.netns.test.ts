import { once } from 'node:events'
import { systemClock } from '@purlin/base'
import test from 'ava'
import { Sandbox } from '../sandbox/sandbox.ts'
import { isExpected } from '../sandbox/up/expected.ts'
import { judge, make } from '../sandbox/up/make.ts'
import { loadManifest } from '../sandbox/up/manifest.ts'
import { measure } from '../sandbox/up/measure.ts'
import { differences } from '../sandbox/up/report.ts'
import { Progress } from '../setup/progress.ts'

test('kill -9 of the agent while traffic flows changes no verdict, and its return changes nothing', async (t) => {
  const progress = new Progress({ write: () => undefined })
  await using sandbox = await Sandbox.start({ drift: 'repair', named: false })
  const { host, client } = sandbox
  const manifest = await loadManifest(undefined)
  const made = await make(sandbox, manifest, progress, new AbortController().signal)
  const expected = (one: Parameters<typeof isExpected>[1]): boolean => isExpected(made.policy, one)
  // The clients ask by themselves; the guests could only be asked through the agent.
  const fromClients = made.questions.filter(({ from }) => from.port === undefined)

  // Nothing is asked a second time here, for that would be after the agent's death.
  const flowing = measure(client, host, made.clients, fromClients, () => false)
  await systemClock.sleep(500)
  const ended = once(sandbox.agentProcess, 'exit')
  await host.run('pkill', ['--signal', 'KILL', '--full', 'apps/host-agent/src/main.ts'])
  await ended
  const during = judge(await flowing, expected)
  t.is(during.length, fromClients.length)
  t.deepEqual(differences(during), [])
  t.true(during.some(({ passes }) => passes))
  const without = judge(await measure(client, host, made.clients, fromClients, expected), expected)
  t.deepEqual(differences(without), [], 'new flows, with no agent there')

  await sandbox.restartAgent()
  const { changes } = await client.plan(manifest.documents)
  t.deepEqual(changes, [])
  const after = judge(await measure(client, host, made.clients, made.questions, expected), expected)
  t.is(after.length, made.questions.length)
  t.deepEqual(differences(after), [])
})
