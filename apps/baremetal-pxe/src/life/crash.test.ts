import test from 'ava'
import { request } from '../../tests/support/lives.ts'
import { World } from '../../tests/support/world.ts'

const roads = {
  image: { ...request, instance: 'image-1' },
  installer: request,
} as const

/** Enrols and deploys; the daemon is killed at one point and started again. */
async function deploy(
  road: keyof typeof roads,
  killAt?: number,
): Promise<{ readonly world: World; readonly points: number }> {
  const world = new World()
  world.killAt = killAt
  await world.start()
  // What a kill interrupts is asked again, as the daemon's own pass does.
  for (let asked = false; !asked; ) {
    try {
      await world.enrol()
      await world.conductor.request('c1', { ask: 'deploy', ...roads[road] })
      asked = true
    } catch {
      await world.start()
    }
  }
  await world.until(['active', 'failed'])
  return { world, points: world.points }
}

for (const road of ['image', 'installer'] as const) {
  test(`${road}: killed at any write or command and started again, it comes to the same end`, async (t) => {
    const whole = await deploy(road)
    await whole.world.stop()
    t.true(whole.points > 30)
    for (let killAt = 1; killAt <= whole.points; killAt++) {
      const { world } = await deploy(road, killAt)
      // Killed between recording that an answer is served and serving it, nobody knows whether the
      // installer has it: that is a failure with nothing written, and is not tried again by itself.
      if (world.conductor.lifeOf('c1')?.state === 'failed') {
        t.deepEqual(world.machine.disk, [])
        t.is(road, 'installer')
        await world.conductor.request('c1', { ask: 'retry' })
        await world.until(['active', 'failed'])
      }
      const life = world.conductor.lifeOf('c1')
      const told = `killed at ${killAt} of ${whole.points}: ${life?.failure?.cause}`
      // A kill may cost a start over the network, never a second installation.
      t.is(life?.state, 'active', told)
      t.deepEqual(world.machine.disk, ['wiped', 'installed'], told)
      await world.stop()
    }
  })
}
