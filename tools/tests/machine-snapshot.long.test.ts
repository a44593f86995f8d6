import { systemClock } from '@purlin/base'
import { type Task, taskEnded } from '@purlin/schema'
import test from 'ava'
import { done } from './machine-host.ts'
import { endWriter, eventually, goesOn, MACHINE, startVolumeHost, WRITER } from './volume-host.ts'

const TEST_LIMIT_MS = 1_200_000
const ROUNDS = 16
const LATER_MS = 45

test('a snapshot whose agent or block daemon is killed in its middle is whole or leaves nothing, and the guest writes on', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  await using host = await startVolumeHost({
    ...{ redundancy: { replicas: 2 }, diskCount: 3, twoDisks: true },
  })
  const { machineSnapshots, tasks } = host.client
  await host.make()
  await host.guest(WRITER)
  await goesOn(host, 'at first')
  const partsThere = async (): Promise<number> => {
    const { pools } = await host.daemonStatus()
    const volumes = pools.flatMap(({ engine }) => engine?.volumes ?? [])
    return volumes.filter(({ name }) => name.startsWith('ms-')).length
  }
  let whole = 0
  for (let round = 0; round < ROUNDS; round++) {
    const name = `s${round}`
    const memory = round % 2 === 1
    const asked = await machineSnapshots.take(MACHINE, name, { memory })
    await systemClock.sleep(Math.floor(round / 2) * LATER_MS)
    if (round % 4 < 3) await host.killAgent()
    else {
      await host.killDaemon()
      await host.startDaemon()
    }
    let task: Task | undefined
    await eventually('the task ends', async () => {
      task = await tasks.get(asked.id)
      return taskEnded(task)
    })
    const kept = (await machineSnapshots.list()).filter(({ spec }) => spec.phase === 'taken')
    t.is(kept.length === 1, task?.state === 'succeeded', `${round}: ${JSON.stringify(task)}`)
    if (kept.length === 1) {
      whole += 1
      t.is(await partsThere(), 2)
      await done(machineSnapshots.delete(name))
    }
    await eventually('nothing is left', async () => {
      return (await partsThere()) === 0 && (await machineSnapshots.list()).length === 0
    })
    await goesOn(host, `after round ${round}`)
  }
  t.log(`${whole} of ${ROUNDS} were whole`)
  const { wrong } = await endWriter(host)
  t.is(wrong, '')
})
