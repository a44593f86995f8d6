import { writeFile } from 'node:fs/promises'
import { fact, systemClock } from '@purlin/base'
import test from 'ava'
import {
  createGuestAgent,
  createNativeLibvirt,
  createVirtDriver,
  type MachineDesired,
  machineStatus,
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
const driver = createVirtDriver({ libvirt })
const agent = createGuestAgent({ libvirt, clock: systemClock })
const record = recordEvents(libvirt)
const DISK_BYTES = 16 * 1024 * 1024

const file = (name: string, target: string) => ({
  ...{ target, file: `${host.state}/${name}.raw`, format: 'raw' as const },
})
const nicOf = (name: string, mac: string) => ({
  ...{ port: `web-1.${name}`, mac, tapDevice: `tap-${name}`, bridgeDevice: 'br-web-1', mtu: 1500 },
})
const first: MachineDesired = machineOf('web-1', {
  boot: probeImage(),
  serialLogFile: `${host.state}/log/web-1.serial`,
  serialSocket: `${host.state}/web-1.serial`,
  ...{ cpus: 2, maximumCpus: 4, memoryMiB: 256, maximumMemoryMiB: 512, ioThreads: 1 },
  disks: [{ ...file('a', 'vda'), queues: 2, ioThread: 1 }],
  nics: [{ ...nicOf('eth0', '52:54:00:00:00:01'), queues: 2 }],
})

/** Executes plans until there is nothing left to do, and gives the verbs. What a guest is asked for
 *  it lets go of in its own time: `until` the conditions say so it is looked again with each
 *  event. */
async function reach(wanted: MachineDesired): Promise<string[]> {
  const over = new AbortController()
  let changed = Promise.withResolvers<void>()
  driver.watch(() => changed.resolve(), over.signal)
  const verbs: string[] = []
  try {
    for (;;) {
      changed = Promise.withResolvers()
      const observed = await driver.observe(signal)
      const steps = driver.plan({ machines: [wanted] }, observed)
      for (const step of steps) await driver.execute(step, signal)
      verbs.push(...steps.map(({ verb }) => verb))
      if (steps.length > 0) continue
      const { conditions } = machineStatus(observed, wanted)
      if (conditions.every(({ type, status }) => (type === 'Ready') === (status === 'true'))) {
        return verbs
      }
      await Promise.race([changed.promise, systemClock.sleep(500)])
    }
  } finally {
    over.abort()
  }
}

const shell = async (script: string): Promise<string> => {
  const command = ['/bin/busybox', 'sh', '-c', script] as const
  return (await agent.exec('web-1', { command }, options)).stdout.trim()
}
/** Asks the guest until it answers as expected, for as long as the test may take. */
const guestSays = async (
  script: string,
  expected: (answer: string) => boolean,
): Promise<string> => {
  for (;;) {
    const answer = await shell(script)
    if (expected(answer)) return answer
    await systemClock.sleep(100)
  }
}
const MEMORY_KIB = "awk '/MemTotal/ {print $2}' /proc/meminfo"
const memoryKib = (): Promise<string> => shell(MEMORY_KIB)

test.serial(
  'a machine starts with queues for each processor and a thread for its disks',
  async (t) => {
    await host.run('ip', 'link', 'add', 'br-web-1', 'type', 'bridge')
    for (const name of ['a', 'b']) await writeFile(file(name, '').file, Buffer.alloc(DISK_BYTES))
    t.deepEqual(await reach(first), ['define', 'start'])
    await agent.waitForAgent('web-1', 90_000)
    await guestSays('ls /sys/block', (blocks) => blocks.includes('vda'))
    t.is(await shell('ls /sys/block/vda/mq'), '0\n1')
    t.true((await shell('ls /sys/class/net/eth0/queues')).includes('rx-1'))
    const [found] = (await driver.observe(signal)).machines
    t.like(found?.live, { ioThreads: 1, cpus: 2, maximumCpus: 4, memoryMiB: 256 })
  },
)

const more = {
  ...first,
  disks: [...(first.disks ?? []), file('b', 'vdb')],
  nics: [...first.nics, nicOf('eth1', '52:54:00:00:00:02')],
}

test.serial('a disk and a NIC come to a running guest, which works with them', async (t) => {
  t.deepEqual(await reach(more), ['redefine', 'plug', 'plug', 'mark'])
  await guestSays('ls /sys/block', (blocks) => blocks.includes('vdb'))
  t.is(await shell('echo hello >/dev/vdb && sync && head -c 5 /dev/vdb'), 'hello')
  const link = await host.run('ip', '-o', 'link', 'show', 'tap-eth1')
  t.true(link.includes('master br-web-1'), link)
  await guestSays('cat /sys/class/net/*/address', (all) => all.includes('52:54:00:00:00:02'))
  const facts = driver.facts(await driver.observe(signal))
  t.true(facts.has(fact('nic', 'web-1.eth1', 'in-use')))
})

test.serial('they leave again, and the tap of the NIC is free only then', async (t) => {
  t.deepEqual((await reach(first)).toSorted(), ['mark', 'redefine', 'unplug', 'unplug'])
  const gone = record.events.filter((one) => one.kind === 'device' && one.event === 'removed')
  t.is(gone.length, 2)
  t.false((await host.run('ip', '-o', 'link')).includes('tap-eth1'))
  t.false(driver.facts(await driver.observe(signal)).has(fact('nic', 'web-1.eth1', 'in-use')))
  await guestSays('ls /sys/block', (blocks) => !blocks.includes('vdb'))
})

test.serial('limits of a disk in use come, change and go', async (t) => {
  const [disk] = first.disks ?? []
  if (disk === undefined) throw new Error('no disk')
  const limits = async (): Promise<string> =>
    (await host.run('virsh', '-q', '-c', host.uri, 'blkdeviotune', 'web-1', 'vda'))
      .split('\n')
      .filter((line) => /iops/.test(line) && !/: *[01]$/.test(line))
      .map((line) => line.replaceAll(/\s+/g, ''))
      .join(' ')
  const iops = { perSecond: 500, burst: 2_000, burstSeconds: 30 }
  t.deepEqual(await reach({ ...first, disks: [{ ...disk, limits: { iops } }] }), [
    ...['redefine', 'tune', 'mark'],
  ])
  t.is(await limits(), 'total_iops_sec:500 total_iops_sec_max:2000 total_iops_sec_max_length:30')
  const writeIops = { perSecond: 40 }
  await reach({ ...first, disks: [{ ...disk, limits: { writeIops } }] })
  t.is(await limits(), 'write_iops_sec:40')
  await reach(first)
  t.is(await limits(), '')
})

test.serial('memory comes and goes, below what it started with by the balloon', async (t) => {
  const before = Number(await memoryKib())
  const wanted = (memoryMiB: number) => ({ ...first, memoryMiB })
  // libvirt hears what QEMU has; the guest counts its pages a moment before or after.
  const has = (fits: (kib: number) => boolean) =>
    guestSays(MEMORY_KIB, (answer) => fits(Number(answer)))
  await reach(wanted(384))
  await has((kib) => kib >= before + 100 * 1024)
  await reach(wanted(256))
  await has((kib) => kib <= before + 1024)
  await reach(wanted(192))
  await has((kib) => kib <= before - 60 * 1024)
  const [found] = (await driver.observe(signal)).machines
  t.is(found?.live?.currentMemoryMiB, 192)
  // The guest is asked for its statistics every ten seconds.
  const available = async (): Promise<number> => {
    const [statistics] = await libvirt.statistics(options)
    return Number(statistics?.values['balloon.available'] ?? 0)
  }
  while ((await available()) === 0) await systemClock.sleep(200)
  t.true((await available()) < 256 * 1024, 'the guest tells of its memory')
})
