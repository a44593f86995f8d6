import { systemClock } from '@purlin/base'
import { taskEnded } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import { type Fate, SnapshotWorld } from '../../tests/snapshot-world.ts'

const FATES: readonly Fate[] = ['fails', 'failed after', 'dies', 'dies after']
/** More effects than any of these has. */
const EFFECTS_MAX = 60

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await met())) await systemClock.sleep(1)
}

/** Carries work out with an agent, which may die of its fate; the next one goes on. */
async function withAgents(world: SnapshotWorld, done: () => Promise<boolean>): Promise<void> {
  const first = await world.agent()
  const isDead = await Promise.race([first.died.then(() => true), until(done).then(() => false)])
  if (isDead) {
    const second = await world.agent()
    await until(done)
    await until(async () => !(await world.isAtWork()))
    await second.end()
  } else await until(async () => !(await world.isAtWork()))
  await first.end()
}

/** A snapshot that is whole, or nothing of it; and the guest as it was. */
async function assertWholeOrNone(t: ExecutionContext, world: SnapshotWorld, memory: boolean) {
  const record = await world.record()
  t.is(world.state, 'running')
  await until(() => !world.frozen)
  if (record === undefined) {
    await until(() => world.parts.size === 0 && world.files.size === 0)
    return false
  }
  t.is(record.manifest.spec.phase, 'taken')
  const kept = record.manifest.spec.disks.map(({ snapshot }) => world.parts.get(snapshot))
  const [inMemory] = world.files.values()
  const moment = [...kept, ...(memory ? [inMemory] : [''])].join(' ')
  t.true(
    [...world.moments].some((one) => one.startsWith(moment)),
    `${moment} was never`,
  )
  t.is(world.parts.size, 2)
  t.is(world.files.size, memory ? 1 : 0)
  return true
}

for (const fate of FATES) {
  for (const memory of [false, true]) {
    const kind = memory ? 'with memory' : 'of the disks'
    test(`a snapshot ${kind}: whichever effect of it ${fate}, it is whole or nothing is left, and the guest runs`, async (t) => {
      let kept = 0
      let at = 1
      for (; at < EFFECTS_MAX; at++) {
        const world = await SnapshotWorld.make()
        const task = await world.ask(memory)
        world.fateOf(at, fate)
        await withAgents(world, async () => taskEnded(await world.task(task.id)))
        const effects = world.effects
        const { state } = await world.task(task.id)
        const whole = await assertWholeOrNone(t, world, memory)
        t.is(state === 'succeeded', whole, `effect ${at}: ${state}`)
        if (whole) kept += 1
        await world.store.close()
        if (effects < at) break
      }
      t.true(at > 8 && at < EFFECTS_MAX, `${at} effects`)
      t.true(kept > 0)
    })
  }
}

for (const fate of FATES) {
  for (const memory of [false, true]) {
    const kind = memory ? 'with memory' : 'of the disks'
    test(`a revert to a snapshot ${kind}: whichever effect of it ${fate}, nobody starts the machine before it is whole`, async (t) => {
      let at = 1
      for (; at < EFFECTS_MAX; at++) {
        const world = await SnapshotWorld.make()
        const taken = await world.ask(memory)
        await withAgents(world, async () => taskEnded(await world.task(taken.id)))
        const disks = (await world.record())?.manifest.spec.disks ?? []
        const kept = disks.map(({ snapshot }) => world.parts.get(snapshot))
        const [inMemory] = world.files.values()
        const first = await world.agent()
        await until(() => world.count > 30)
        await world.change('VirtualMachine', 'web-1', { powerState: 'stopped' }, 'stop')
        await until(() => world.state === 'stopped')
        await first.end()
        world.begun.length = 0
        const task = await world.change('MachineSnapshot', 's1', { phase: 'reverting' }, 'revert')
        // Somebody wants it running while it is gone back to.
        await world.change('VirtualMachine', 'web-1', { powerState: 'running' }, 'start')
        world.fateOf(at, fate)
        await withAgents(world, async () => taskEnded(await world.task(task.id)))
        const { effects } = world
        t.is((await world.task(task.id)).state, 'succeeded')
        const last = await world.agent()
        await until(() => world.begun.length > 0)
        await last.end()
        t.is(world.begun[0], [...kept, memory ? inMemory : 0].join(' '), `effect ${at}`)
        t.is((await world.record())?.manifest.spec.phase, 'taken')
        await world.store.close()
        if (effects < at) break
      }
      t.true(at > 4 && at < EFFECTS_MAX, `${at} effects`)
    })
  }
}
