import test from 'ava'
import { request } from '../../tests/support/lives.ts'
import type { Faults } from '../../tests/support/machine.ts'
import { World } from '../../tests/support/world.ts'
import type { Life } from './life.ts'
import { lifeView } from './view.ts'

const image = { ...request, instance: 'image-1' }
const ends = ['active', 'failed', 'available']

/** A world in which `deploy` has come to its end. */
async function deployed(
  deploy: typeof request | typeof image,
  faults: Faults = {},
): Promise<World> {
  const world = await enrolled(faults)
  await world.conductor.request('c1', { ask: 'deploy', ...deploy })
  await world.until(['active', 'failed'])
  return world
}

async function enrolled(faults: Faults = {}): Promise<World> {
  const world = new World({ faults })
  await world.start()
  await world.enrol()
  return world
}

function lifeOf(world: World): Life {
  const life = world.conductor.lifeOf('c1')
  if (life === undefined) throw new Error('there is no life')
  return life
}

test('a chassis that is off is discovered by itself, installed, and starts from its disk', async (t) => {
  const world = await enrolled()
  t.true(await world.until(['available']))
  t.false(world.machine.on)
  await world.conductor.request('c1', { ask: 'deploy', ...request })
  t.true(await world.until(['active']))
  t.deepEqual(world.machine.disk, ['wiped', 'installed'])
  t.deepEqual(world.machine.boots, ['discovery', 'installer', 'from disk'])
  await world.stop()
})

test('by an image: the discovery system proves the machine, then writes', async (t) => {
  const world = await deployed(image)
  t.is(lifeOf(world).state, 'active')
  t.deepEqual(world.machine.disk, ['wiped', 'installed'])
  const history = await world.conductor.historyOf('c1')
  t.deepEqual(
    history.filter(({ from, to }) => from !== to).map(({ to }) => to),
    [
      'verifying',
      'manageable',
      'discovering',
      'available',
      'preparing',
      'booting',
      'installing',
      'partitioning',
      'writing',
      'bootloader',
      'configuring',
      'rebooting',
      'active',
    ],
  )
  await world.stop()
})

test('a request that was taken up is not taken up again, nor after a restart', async (t) => {
  const world = await deployed(image)
  await world.conductor.request('c1', { ask: 'deploy', ...image })
  world.kill()
  await world.start()
  await world.conductor.request('c1', { ask: 'deploy', ...image })
  await world.until(['active'], 60)
  t.deepEqual(world.machine.disk, ['wiped', 'installed'])
  const error = await t.throwsAsync(
    world.conductor.request('c1', { ask: 'deploy', instance: 'x', uid: 'x', generation: 1 }),
  )
  t.regex(error.message, /instance image-1 is on it; delete that first/)
  await world.stop()
})

test('a BMC that ignores boot devices: started again twice, then with a lasting one', async (t) => {
  const world = await enrolled({ ignoresBoot: 'once' })
  t.true(await world.until(['available']))
  t.deepEqual(world.machine.boots, ['from disk', 'from disk', 'from disk', 'discovery'])
  t.deepEqual(
    world.told.filter(({ type }) => type === 'chassis.started-again').map(({ message }) => message),
    [
      'it is started for the 2. time',
      'it is started for the 3. time',
      'it is started for the 4. time, now with a lasting boot device',
    ],
  )
  t.is(world.machine.device, 'none')
  await world.stop()
})

test('a BMC that never honours the network: failed with what was seen, an event and an alert', async (t) => {
  const world = await enrolled({ ignoresBoot: 'always' })
  t.true(await world.until(['failed']))
  const { failure } = lifeOf(world)
  t.is(failure?.code, 'PUR_LIFE_BOOT_IGNORED')
  t.regex(failure?.cause ?? '', /^network boot not honoured: .* 4 starts, the last with a lasting/)
  t.is(failure?.power, 'on')
  t.deepEqual(failure?.eventLog, [{ sensor: 'Power Unit', text: 'Power off' }])
  t.false(world.machine.on)
  t.true(world.alerts.has('PUR_LIFE_BOOT_IGNORED'))
  t.is(world.told.filter(({ type }) => type === 'chassis.failed').length, 1)
  await world.conductor.request('c1', { ask: 'cancel' })
  t.true(await world.until(['manageable']))
  t.is(world.alerts.size, 0)
  await world.stop()
})

test('a BMC that lies about power is no network boot either', async (t) => {
  const world = await enrolled({ liesAboutPower: true })
  t.true(await world.until(['failed']))
  t.is(lifeOf(world).failure?.code, 'PUR_LIFE_BOOT_IGNORED')
  await world.stop()
})

test('a BMC that is deaf for a while costs pauses; one that stays so fails the step', async (t) => {
  const slow = await enrolled({ deafCalls: 3 })
  t.true(await slow.until(['available']))
  await slow.stop()
  const dead = await enrolled({ deafCalls: 1_000 })
  t.true(await dead.until(['failed']))
  const { failure } = lifeOf(dead)
  t.like(failure, { step: 'verifying', code: 'PUR_BMC_NO_ANSWER', retriable: true })
  t.regex(failure?.cause ?? '', /no answer \(identify, tried 5 times\)/)
  await dead.stop()
})

for (const faults of [{}, { dumbLoader: true }] satisfies Faults[]) {
  const how = 'dumbLoader' in faults ? 'by its report' : 'by its loader'
  test(`another machine in the chassis is known ${how}: nothing is written`, async (t) => {
    const world = await enrolled(faults)
    t.true(await world.until(['available']))
    world.machine.uuid = '00000000-0000-4000-8000-00000000000f'
    await world.conductor.request('c1', { ask: 'deploy', ...image })
    t.true(await world.until(['failed']))
    t.is(lifeOf(world).failure?.code, 'PUR_LIFE_WRONG_MACHINE')
    t.regex(lifeOf(world).failure?.cause ?? '', /wrong machine, nothing was written: .*00000000f/)
    t.deepEqual(world.machine.disk, [])
    await world.stop()
  })
}

test('a machine without a name is written to where its chassis trusts its MAC, and nowhere else', async (t) => {
  for (const trustsMac of [false, true]) {
    for (const deploy of [request, image]) {
      const world = new World({ faults: { nameless: true } })
      await world.start()
      await world.enrol(trustsMac)
      await world.conductor.request('c1', { ask: 'deploy', ...deploy })
      t.true(await world.until(['active', 'failed']))
      t.is(lifeOf(world).state, trustsMac ? 'active' : 'failed')
      t.is(lifeView(lifeOf(world)).identity, trustsMac ? 'mac' : 'unknown')
      t.deepEqual(world.machine.disk, trustsMac ? ['wiped', 'installed'] : [])
      t.is(lifeOf(world).failure?.code, trustsMac ? undefined : 'PUR_LIFE_UNPROVEN')
      await world.stop()
    }
  }
})

test('a MAC that is trusted excuses no other name; one that is trusted no more proves nothing', async (t) => {
  const world = new World()
  await world.start()
  await world.enrol(true)
  t.true(await world.until(['available']))
  t.is(lifeView(lifeOf(world)).identity, 'same')
  world.machine.uuid = '00000000-0000-4000-8000-00000000000f'
  await world.conductor.request('c1', { ask: 'deploy', ...image })
  t.true(await world.until(['failed']))
  t.is(lifeOf(world).failure?.code, 'PUR_LIFE_WRONG_MACHINE')
  t.deepEqual(world.machine.disk, [])
  await world.stop()

  const nameless = new World({ faults: { nameless: true } })
  await nameless.start()
  await nameless.enrol(true)
  t.true(await nameless.until(['available']))
  await nameless.enrol(false)
  await nameless.conductor.request('c1', { ask: 'deploy', ...image })
  t.true(await nameless.until(['failed']))
  t.regex(lifeOf(nameless).failure?.cause ?? '', /identity\.trustMac of its Chassis/)
  t.deepEqual(nameless.machine.disk, [])
  await nameless.stop()
})

test('an installer is not served to another machine', async (t) => {
  const world = await enrolled()
  t.true(await world.until(['available']))
  world.machine.uuid = '00000000-0000-4000-8000-00000000000f'
  await world.conductor.request('c1', { ask: 'deploy', ...request })
  t.true(await world.until(['failed']))
  t.is(lifeOf(world).failure?.code, 'PUR_LIFE_WRONG_MACHINE')
  t.deepEqual(world.machine.disk, [])
  await world.stop()
})

test('a start in the middle of writing ends the installation; no second one begins', async (t) => {
  const world = await deployed(image, { restartsAt: 'writing' })
  t.like(lifeOf(world).failure, { code: 'PUR_LIFE_RESTARTED', step: 'writing', retriable: true })
  t.deepEqual(world.machine.disk, ['wiped'])
  await world.conductor.request('c1', { ask: 'retry' })
  t.true(await world.until(['active']))
  t.deepEqual(world.machine.disk, ['wiped', 'wiped', 'installed'])
  await world.stop()
})

test('a power cut in the middle of writing is seen, and the disks are erased at release', async (t) => {
  const world = await enrolled()
  await world.conductor.request('c1', { ask: 'deploy', ...image })
  while (lifeOf(world).state !== 'writing') await world.clock.advance(1_000)
  world.machine.cutPower()
  t.true(await world.until(['failed'], 10))
  t.like(lifeOf(world).failure, { code: 'PUR_LIFE_POWER_LOST', step: 'writing' })
  await world.conductor.request('c1', { ask: 'release', erasure: 'quick', uid: image.uid })
  t.true(await world.until(['available']))
  t.deepEqual(world.machine.disk, ['wiped', 'erased'])
  t.is(lifeOf(world).deployment, undefined)
  await world.stop()
})

test('a step that never ends fails at its deadline, and the machine is switched off', async (t) => {
  const world = await deployed(request, { hangsBefore: 'configuring' })
  t.like(lifeOf(world).failure, { code: 'PUR_LIFE_SILENT', step: 'partitioning', power: 'on' })
  t.false(world.machine.on)
  const begun = lifeOf(world).steps.find(({ step }) => step === 'partitioning')?.atMs ?? 0
  t.is((lifeOf(world).failure?.atMs ?? 0) - begun, 90 * 60_000)
  await world.stop()
})

test('steps whose telling is lost are passed over', async (t) => {
  const world = await deployed(request, { untold: ['partitioning', 'configuring', 'installed'] })
  t.is(lifeOf(world).state, 'active')
  t.true(lifeOf(world).deployment?.touched)
  await world.stop()
})

test('an installer that took its answers and fell silent is not started a second time', async (t) => {
  const untold = ['installing', 'partitioning', 'configuring', 'installed', 'running']
  const world = await deployed(request, { untold })
  t.like(lifeOf(world).failure, { code: 'PUR_LIFE_SILENT', step: 'booting' })
  t.deepEqual(world.machine.disk, ['wiped', 'installed'])
  await world.stop()
})

const reached = async (world: World, state: string): Promise<void> => {
  while (lifeOf(world).state !== state) await world.clock.advance(100)
}

test('cancelled while verifying or discovering: nothing is under way, and it is off', async (t) => {
  for (const [state, rest] of [
    ['verifying', 'enrolled'],
    ['discovering', 'manageable'],
  ] as const) {
    const world = await enrolled()
    await reached(world, state)
    await world.conductor.request('c1', { ask: 'cancel' })
    t.true(await world.until([rest, 'failed']))
    t.is(lifeOf(world).state, rest)
    t.is(lifeOf(world).grant, undefined)
    await world.clock.advance(60_000)
    t.false(world.machine.on)
    t.deepEqual(world.machine.disk, [])
    await world.stop()
  }
})

test('an erasure that is cancelled is owed: nobody has the disks until it was done', async (t) => {
  const world = await deployed(image)
  await world.conductor.request('c1', { ask: 'release', erasure: 'quick', uid: image.uid })
  await reached(world, 'erasing')
  await world.conductor.request('c1', { ask: 'cancel' })
  t.true(await world.until(['available', 'failed']))
  t.like(lifeOf(world), { state: 'failed', eraseOwed: true, failure: { code: 'PUR_CANCELLED' } })
  t.false(world.machine.on)
  const next = { instance: 'image-2', uid: 'uid-2', generation: 1 }
  await t.throwsAsync(() => world.conductor.request('c1', { ask: 'deploy', ...next }))
  await world.conductor.request('c1', { ask: 'retry' })
  t.true(await world.until(['available']))
  t.deepEqual(world.machine.disk, ['wiped', 'installed', 'erased'])
  await world.stop()
})

test('a rescue that is cancelled before it began leads back to where it came from', async (t) => {
  const world = await enrolled()
  t.true(await world.until(['available']))
  await world.conductor.request('c1', { ask: 'rescue', sshKeys: ['ssh-ed25519 AAAA ops'] })
  await reached(world, 'rescuing')
  await world.conductor.request('c1', { ask: 'cancel' })
  t.true(await world.until(['available', 'failed']))
  t.like(lifeOf(world), { state: 'available', grant: undefined, sshKeys: undefined })
  t.false(world.machine.on)
  await world.stop()
})

for (const state of ['preparing', 'booting', 'installing'] as const) {
  test(`cancelled while ${state}: available again, the disks untouched`, async (t) => {
    const world = await enrolled()
    t.true(await world.until(['available']))
    await world.conductor.request('c1', { ask: 'deploy', ...request })
    while (lifeOf(world).state !== state) await world.clock.advance(10)
    await world.conductor.request('c1', { ask: 'cancel' })
    t.true(await world.until(ends))
    t.is(lifeOf(world).state, 'available')
    t.is(lifeOf(world).grant, undefined)
    t.deepEqual(world.machine.disk, [])
    t.false(world.machine.on)
    await world.stop()
  })
}

for (const state of [
  'partitioning',
  'writing',
  'bootloader',
  'configuring',
  'rebooting',
] as const) {
  test(`cancelled while ${state}: the disks are erased before it is available`, async (t) => {
    const world = await enrolled()
    t.true(await world.until(['available']))
    await world.conductor.request('c1', { ask: 'deploy', ...image })
    while (lifeOf(world).state !== state) await world.clock.advance(1_000)
    await world.conductor.request('c1', { ask: 'cancel' })
    t.true(await world.until(ends))
    t.is(lifeOf(world).state, 'available')
    t.is(world.machine.disk.at(-1), 'erased')
    await world.stop()
  })
}

test('a release erases before the chassis is available, and an instance that waits gets it then', async (t) => {
  const world = await deployed(image)
  const next = { instance: 'image-2', uid: 'uid-2', generation: 1 }
  await world.conductor.request('c1', { ask: 'release', erasure: 'full', uid: image.uid })
  await world.conductor.request('c1', { ask: 'deploy', ...next })
  t.true(await world.until(['active', 'failed']))
  t.like(lifeOf(world).deployment, next)
  t.deepEqual(world.machine.disk, ['wiped', 'installed', 'erased', 'wiped', 'installed'])
  await world.stop()
})

test('rescue of an active chassis: into the discovery system and back, its disks untouched', async (t) => {
  const world = await deployed(image)
  await world.conductor.request('c1', { ask: 'rescue', sshKeys: ['ssh-ed25519 AAAA ops'] })
  t.true(await world.until(['rescue']))
  t.is(world.machine.boots.at(-1), 'discovery')
  await world.conductor.request('c1', { ask: 'cancel' })
  t.true(await world.until(['active']))
  await world.clock.advance(60_000)
  t.is(world.machine.boots.at(-1), 'from disk')
  t.deepEqual(world.machine.disk, ['wiped', 'installed'])
  await world.stop()
})

test('in maintenance nothing is begun; what is asked of documents waits for its end', async (t) => {
  const world = await enrolled()
  t.true(await world.until(['available']))
  await world.conductor.request('c1', { ask: 'maintenance', on: true, reason: 'a fan' })
  const refused = await t.throwsAsync(world.conductor.request('c1', { ask: 'discover' }))
  t.like(refused, { code: 'PUR_LIFE_REFUSED' })
  await world.conductor.request('c1', { ask: 'deploy', ...image })
  await world.clock.advance(3_600_000)
  t.is(lifeOf(world).state, 'available')
  await world.conductor.request('c1', { ask: 'maintenance', on: false })
  t.true(await world.until(['active']))
  await world.stop()
})

test('power that somebody else switched is told once, and nothing is switched back', async (t) => {
  const world = await deployed(image)
  world.machine.cutPower()
  await world.clock.advance(600_000)
  t.is(world.told.filter(({ type }) => type === 'chassis.power-changed').length, 1)
  t.false(world.machine.on)
  t.is(world.conductor.powerOf('c1')?.power, 'off')
  await world.stop()
})

test('a chassis of another uid begins anew; a forgotten one leaves no record', async (t) => {
  const world = await deployed(image)
  const { mac: bootMac } = world.machine
  await world.conductor.enrol({ name: 'c1', uid: 'other', bootMac, firmware: 'bios' })
  t.is(lifeOf(world).chassisUid, 'other')
  t.is(lifeOf(world).deployment, undefined)
  await world.conductor.forget('c1')
  t.is(world.conductor.lifeOf('c1'), undefined)
  t.deepEqual(await world.conductor.historyOf('c1'), [])
  await world.stop()
})

test('a person’s power command that fails fails no life; why is told and kept', async (t) => {
  const world = await enrolled()
  t.true(await world.until(['available']))
  await world.conductor.request('c1', { ask: 'power', action: 'on' })
  t.true(await world.until(['available']))
  t.true(world.machine.on)
  t.is(lifeOf(world).power, 'on')
  world.machine.deafen(1)
  await world.conductor.request('c1', { ask: 'power', action: 'off' })
  t.true(await world.until(['available']))
  t.like(lifeOf(world).trouble, { command: 'power', code: 'PUR_BMC_NO_ANSWER' })
  t.true(world.machine.on)
  await world.conductor.request('c1', { ask: 'power', action: 'off' })
  t.true(await world.until(['available']))
  t.is(lifeOf(world).trouble, undefined)
  t.false(world.machine.on)
  await world.stop()
})
