import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVirtualClock, type Run, systemClock } from '@purlin/base'
import test from 'ava'
import { ServiceLife } from './life.ts'
import { identityOf, launch, stateOf } from './process.ts'

test('a dnsmasq that runs and answers nothing is ended; one that answers stays', async (t) => {
  const runFolder = await mkdtemp(join(tmpdir(), 'purlin-life-'))
  const folder = join(runFolder, 'port-groups', 'prod')
  await mkdir(folder, { recursive: true })
  const hung = launch('sleep', ['60'], join(folder, 'log'))
  const questions = { dns: '10.0.0.1' }
  await writeFile(join(folder, 'dnsmasq.json'), JSON.stringify({ ...hung, questions }))
  await writeFile(join(folder, 'holder.json'), JSON.stringify(identityOf(process.pid)))

  const clock = createVirtualClock()
  let missing = '[]'
  const asked: string[] = []
  const run: Run = async (program, args) => {
    asked.push(`${program} ${args.at(-1)}`)
    return { stdout: missing, stderr: '', exitCode: 0 }
  }
  const life = new ServiceLife(runFolder, clock, run)
  const { signal } = new AbortController()
  t.deepEqual(await life.look(signal), [], 'its turn has not come')
  t.is(asked.length, 0)
  await clock.advance(20_000)
  t.deepEqual(await life.look(signal), [])
  t.regex(asked[0] ?? '', /^nsenter .*"dns":"10\.0\.0\.1"/)
  t.is(stateOf(hung), 'running')

  missing = '["dns"]'
  await clock.advance(20_000)
  t.deepEqual(await life.look(signal), [
    'dnsmasq of port group prod did not answer (dns) and was ended',
  ])
  t.is(asked.length, 3, 'it is asked twice before')
  for (let round = 0; round < 500 && stateOf(hung) !== 'gone'; round++) await systemClock.sleep(5)
  t.is(stateOf(hung), 'gone')
  await rm(runFolder, { recursive: true })
})
