import { readFile } from 'node:fs/promises'
import { PurlinError, run, systemClock } from '@purlin/base'
import test from 'ava'
import {
  awaitPower,
  createGuestAgent,
  createNativeLibvirt,
  createVirtDriver,
  machineStatus,
  planVirt,
  probeAccelerator,
  rebootMachine,
  type VirtDesired,
} from '../src/index.ts'
import { recordEvents } from './support/await-event.ts'
import { probeImage } from './support/guest-image.ts'
import { machineOf } from './support/machines.ts'
import { createPrivateHost } from './support/private-host.ts'

const host = await createPrivateHost()
const libvirt = createNativeLibvirt({ uri: host.uri })
test.after.always(async () => {
  libvirt.close()
  await host.remove()
})

const { signal } = new AbortController()
const options = { deadlineMs: 20_000 }
const driver = createVirtDriver({ libvirt, graceMs: 120_000, generationOf: () => generation })
const agent = createGuestAgent({ libvirt, clock: systemClock })
const machine = (change: Parameters<typeof machineOf>[1] = {}) =>
  machineOf('web-1', {
    nics: [...machineOf('web-1').nics, direct],
    boot: probeImage(),
    serialLogFile: `${host.state}/log/web-1.serial`,
    ...change,
  })

/** Each wish is a new generation, as it is where resources are changed. */
let generation = 0

/** Executes plans until there is nothing left to do; gives the verbs. Steps that wait for a fact of
 *  the lane itself wait for what libvirt tells. */
async function reach(wanted: VirtDesired): Promise<string[]> {
  const machines = wanted.machines.map((one) => ({ ...one, generation: ++generation }))
  const desired = { machines }
  const over = new AbortController()
  let changed = Promise.withResolvers<void>()
  driver.watch(() => changed.resolve(), over.signal)
  const verbs: string[] = []
  try {
    for (;;) {
      changed = Promise.withResolvers()
      const observed = await driver.observe(signal)
      const facts = driver.facts(observed)
      const steps = driver.plan(desired, observed)
      const ready = steps.filter(({ requires }) =>
        requires.every((one) => !one.startsWith('vm/') || facts.has(one)),
      )
      if (steps.length === 0) return verbs
      for (const step of ready) await driver.execute(step, signal)
      verbs.push(...ready.map(({ verb }) => verb))
      if (ready.length === 0) await changed.promise
    }
  } finally {
    over.abort()
  }
}

/** A NIC in no bridge: whoever knows its tap by name takes it. */
const direct = {
  port: 'web-1.eth1',
  mac: '52:54:00:00:00:02',
  tapDevice: 'tap-web-1d',
  mtu: 1400,
}

/** A domain that somebody else made, running without a disk. */
const FOREIGN = `<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>`

test.serial('a machine is defined and started, and its guest answers', async (t) => {
  await host.run('ip', 'link', 'add', 'br-web-1', 'type', 'bridge')
  await host.run('ip', 'link', 'set', 'br-web-1', 'up')
  await libvirt.defineXml(FOREIGN, options)
  await libvirt.start('foreign', { ...options, paused: true })
  const record = recordEvents(libvirt)
  t.deepEqual(await reach({ machines: [machine()] }), ['define', 'start'])
  await record.next((event) => event.kind === 'lifecycle' && event.event === 'started')
  const links = await host.run('ip', '-o', 'link', 'show', 'tap-web-1')
  t.true(links.includes('master br-web-1') && links.includes('mtu 1500'))
  const alone = await host.run('ip', '-o', 'link', 'show', 'tap-web-1d')
  t.true(alone.includes('LOWER_UP') && alone.includes('mtu 1400'), alone)
  t.false(alone.includes('master'))
  await agent.waitForAgent('web-1', 90_000)
  const connected = await record.next(
    (event) => event.kind === 'agent' && event.state === 'connected',
  )
  t.like(connected, { domain: 'web-1', reason: 'channel' })
  t.true((await readFile(machine().serialLogFile, 'utf8')).length > 0)
})

test.serial('programs run in the guest with arguments, input, output and exit code', async (t) => {
  const cat = { command: ['/bin/busybox', 'cat'] as [string, ...string[]], input: 'grüße\n' }
  t.deepEqual(await agent.exec('web-1', cat, options), {
    exitCode: 0,
    stdout: 'grüße\n',
    stderr: '',
    truncated: false,
  })
  const failing = await agent.exec(
    'web-1',
    { command: ['/bin/busybox', 'sh', '-c', 'echo "$1" >&2; exit 7', 'sh', 'a  b'] },
    options,
  )
  t.like(failing, { exitCode: 7, stderr: 'a  b\n' })
  const missing = agent.exec('web-1', { command: ['/no/such/program'] }, options)
  t.is((await t.throwsAsync(missing, { instanceOf: PurlinError })).code, 'PUR_VIRT_FAILED')
  const nics = await agent.interfaces('web-1', options)
  t.is(nics.find((nic) => nic.name === 'eth0')?.mac, '52:54:00:00:00:01')
})

test.serial('files go to the guest and come back, byte for byte', async (t) => {
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  await agent.writeFile('web-1', { path: '/tmp-file', content, append: false }, options)
  await agent.writeFile('web-1', { path: '/tmp-file', content, append: true }, options)
  const whole = await agent.readFile('web-1', { path: '/tmp-file', maxBytes: 1_000_000 }, options)
  t.true(whole.complete && Buffer.concat([content, content]).equals(whole.content))
  const part = await agent.readFile('web-1', { path: '/tmp-file', maxBytes: 10 }, options)
  t.true(!part.complete && content.subarray(0, 10).equals(part.content))
  const none = agent.readFile('web-1', { path: '/none', maxBytes: 10 }, options)
  await t.throwsAsync(none, { code: 'PUR_VIRT_FAILED', message: /No such file/ })
})

test.serial('the guest is frozen, thawed, and has the time of its host', async (t) => {
  t.true((await agent.freeze('web-1', { deadlineMs: 60_000 })) >= 0)
  t.true((await agent.thaw('web-1', { deadlineMs: 60_000 })) >= 0)
  // The agent asks for a program that writes the time to the clock of the machine.
  await shell(
    'mkdir -p /sbin; printf "#!/bin/busybox sh\\n" >/sbin/hwclock; chmod +x /sbin/hwclock',
  )
  await shell('date -s @86400')
  await agent.setTime('web-1', options)
  const seconds = Number(await shell('date +%s'))
  t.true(Math.abs(seconds - Date.now() / 1_000) < 3_600, String(seconds))
})

test.serial('statistics name the tap, facts the NIC', async (t) => {
  const statistics = await libvirt.statistics(options)
  const values = statistics.find((one) => one.domain === 'web-1')?.values
  t.is(values?.['net.0.name'], 'tap-web-1')
  t.is(values?.['balloon.maximum'], 128 * 1024)
  const facts = driver.facts(await driver.observe(signal))
  t.deepEqual([...facts].map(String), [
    'vm/web-1/running',
    'nic/web-1.eth0/in-use',
    'nic/web-1.eth1/in-use',
  ])
})

test.serial('what libvirt refuses has a code of its own', async (t) => {
  const codes: string[] = []
  for (const call of [
    libvirt.start('web-1', options),
    libvirt.start('none', options),
    libvirt.defineXml(FOREIGN.replace('<name>', `<uuid>${machine().uuid}</uuid><name>`), options),
    libvirt.defineXml('<domain', options),
  ]) {
    codes.push((await t.throwsAsync(call, { instanceOf: PurlinError })).code)
  }
  t.deepEqual(codes, [
    'PUR_VIRT_REFUSED',
    'PUR_VIRT_NO_DOMAIN',
    'PUR_VIRT_DOMAIN_EXISTS',
    'PUR_VIRT_FAILED',
  ])
})

test.serial('a new spec of a running machine waits for its next start', async (t) => {
  const wanted = machine({ memoryMiB: 160 })
  const before = (await libvirt.domain('web-1', options)).id
  t.deepEqual(await reach({ machines: [wanted] }), ['redefine'])
  t.is((await libvirt.domain('web-1', options)).id, before)
  const pending = machineStatus(await driver.observe(signal), wanted).conditions[1]
  t.like(pending, { type: 'PendingRestart', status: 'true' })
})

const shell = async (script: string): Promise<string> => {
  const command = ['/bin/busybox', 'sh', '-c', script] as const
  return (await agent.exec('web-1', { command }, options)).stdout.trim()
}
const bootId = (): Promise<string> => shell('cat /proc/sys/kernel/random/boot_id')

test.serial('a machine stands still and goes on where it was', async (t) => {
  const small = machine({ memoryMiB: 160 })
  const boot = await bootId()
  t.deepEqual(await reach({ machines: [{ ...small, powerState: 'paused' }] }), ['pause'])
  t.is((await libvirt.domain('web-1', options)).state, 3)
  t.deepEqual(await reach({ machines: [small] }), ['resume'])
  await agent.waitForAgent('web-1', 90_000)
  t.is(await bootId(), boot)
})

test.serial('a machine is saved to disk, and has its memory back when it starts', async (t) => {
  const small = machine({ memoryMiB: 160 })
  const boot = await bootId()
  await shell('echo kept >/note')
  t.deepEqual(await reach({ machines: [{ ...small, powerState: 'suspended' }] }), ['save'])
  t.is((await driver.observe(signal)).machines[0]?.state, 'suspended')
  t.is((await host.run('ip', '-o', 'link')).includes('tap-web-1'), false)
  t.deepEqual(await reach({ machines: [{ ...small, powerState: 'paused' }] }), ['restore'])
  t.deepEqual(await reach({ machines: [small] }), ['resume'])
  await agent.waitForAgent('web-1', 90_000)
  t.deepEqual([await shell('cat /note'), await bootId()], ['kept', boot])
  const pending = machineStatus(await driver.observe(signal), small).conditions[1]
  t.like(pending, { status: 'true' }, 'the memory is that of the spec it was saved with')
})

test.serial('a guest starts anew when asked, and is reset when it may not be asked', async (t) => {
  const boots = [await bootId()]
  for (const graceMs of [120_000, 0]) {
    const how = await rebootMachine(libvirt, systemClock, 'web-1', { graceMs, signal })
    t.is(how, graceMs > 0 ? 'by-guest' : 'by-reset')
    await agent.waitForAgent('web-1', 90_000)
    boots.push(await bootId())
  }
  t.is(new Set(boots).size, 3)
})

test.serial('a guest that panics is off, and counts as crashed', async (t) => {
  const small = machine({ memoryMiB: 160 })
  // What the driver in a guest does: it writes to port 0x505, the device's own.
  const write = ['qemu-monitor-command', 'web-1', '--hmp', `o /b ${0x505} 1`]
  await host.run('virsh', '-q', '-c', host.uri, ...write)
  await awaitPower(libvirt, systemClock, 'web-1', ['stopped'], options)
  const [found] = (await driver.observe(signal)).machines
  t.like(found?.endedRun, { ended: 'by-crash', starts: 1 })
  const never = { machines: [{ ...small, generation, restart: 'never' as const }] }
  t.deepEqual(planVirt(never, await driver.observe(signal)), [])
  t.deepEqual(await reach({ machines: [small] }), ['start'])
  await agent.waitForAgent('web-1', 90_000)
})

test.serial('a guest powers off when asked', async (t) => {
  // Its agent answers before anybody in it waits for the power button.
  while ((await shell('pidof dd || true')) === '') await systemClock.sleep(200)
  const record = recordEvents(libvirt)
  const verbs = await reach({ machines: [machine({ memoryMiB: 160, powerState: 'stopped' })] })
  t.deepEqual(verbs, ['shutdown'])
  await record.next((event) => event.kind === 'lifecycle' && event.event === 'stopped')
  t.true(record.events.some((event) => event.kind === 'lifecycle' && event.event === 'shutdown'))
})

test.serial('a silent agent is an error of its own', async (t) => {
  t.deepEqual(await reach({ machines: [machine({ memoryMiB: 160 })] }), ['start'])
  const ping = agent.ping('web-1', options)
  const error = await t.throwsAsync(ping, { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_AGENT_UNRESPONSIVE')
})

test.serial('a guest that does not listen loses its power at the end of its grace', async (t) => {
  const off = machine({ memoryMiB: 160, powerState: 'stopped', graceMs: 300 })
  // It has only just begun: nobody in it hears the button yet.
  t.deepEqual(await reach({ machines: [off] }), ['shutdown', 'destroy'])
})

test.serial('saved memory goes with a stop, and with the machine', async (t) => {
  const small = machine({ memoryMiB: 160 })
  const saved = { machines: [{ ...small, powerState: 'suspended' as const }] }
  t.deepEqual(await reach({ machines: [{ ...small, powerState: 'paused' }] }), ['start'])
  t.deepEqual(await reach(saved), ['save'])
  t.deepEqual(await reach({ machines: [{ ...small, powerState: 'stopped' }] }), ['discard'])
  t.deepEqual(await reach({ machines: [small] }), ['start'])
  t.deepEqual(await reach(saved), ['save'])
  t.deepEqual(await reach({ machines: [] }), ['undefine'])
  t.is(await host.run('find', '/var/lib/libvirt/qemu/save', '-type', 'f'), '')
  t.deepEqual(await reach({ machines: [small] }), ['define', 'start'])
})

test.serial('a machine that leaves is gone, and the foreign domain never noticed', async (t) => {
  t.deepEqual(await reach({ machines: [] }), ['destroy', 'undefine'])
  const observed = await driver.observe(signal)
  t.deepEqual(observed.machines, [])
  t.deepEqual(
    observed.foreign.map((domain) => domain.name),
    ['foreign'],
  )
  const foreign = await libvirt.domain('foreign', options)
  t.like(foreign, { state: 3, persistent: true })
})

test.serial('a name that a foreign domain has is refused', async (t) => {
  const taken = machineOf('foreign', { boot: probeImage(), nics: [] })
  const error = await t.throwsAsync(reach({ machines: [taken] }), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_NAME_TAKEN')
  t.is((await libvirt.domain('foreign', options)).state, 3)
})

test.serial('a kernel boots under TCG, so the probe of accelerators can be believed', async (t) => {
  const probe = { run, kernel: probeImage().kernel, accelerator: 'tcg', limitMs: 60_000 } as const
  t.deepEqual(await probeAccelerator(probe), { kind: 'tcg', reason: 'a kernel booted with tcg' })
})
