/** A root image from power-on to a system that is logged in to, restarted, and released. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { differencesToExporter } from './support/exporter.ts'
import {
  copyInto,
  headOfDisk,
  inSystem,
  installationOf,
  MACS,
  sshKey,
  untilActive,
  untilReachable,
} from './support/installation.ts'
import { Road } from './support/road.ts'
import { until } from './support/until.ts'

const INSTALL_MS = 40 * 60_000
const START_MS = 10 * 60_000

test('an image becomes a system with volumes, bond and address; it restarts, and its release erases', async (t) => {
  const folder = await mkdtemp('/tmp/road-key-')
  await sshKey(folder)
  const key = join(folder, 'key')
  const road = await Road.open({
    chassis: [{ name: 'c1', macs: MACS, memoryMiB: 1_024 }],
    deadlines: { lingerSeconds: 1 },
    manifest: installationOf('image', true),
    files: { 'key.pub': await readFile(`${key}.pub`, 'utf8') },
  })
  const chassis = road.chassis('c1')
  try {
    const seconds = await untilActive(road, INSTALL_MS)
    t.log(JSON.stringify(seconds))
    await untilReachable(key, START_MS)

    t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/'), '/dev/mapper/sys-root')
    t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/var'), '/dev/mapper/sys-var')
    t.is(await inSystem(key, 'hostname'), 'server-1')
    const bond = await inSystem(key, 'cat', '/proc/net/bonding/bond0')
    t.regex(bond, /Bonding Mode: fault-tolerance \(active-backup\)/)
    t.is(bond.match(/^Slave Interface:/gm)?.length, 2)
    t.is(bond.match(/^MII Status: up/gm)?.length, 3)

    await copyInto(key, '/usr/bin/prometheus-node-exporter', '/tmp/node-exporter')
    const { compared, differing } = await differencesToExporter(road, key, 'server-1')
    t.deepEqual(differing, [])
    t.true(compared > 20, `${compared} series were compared`)

    const bootId = (): Promise<string> => inSystem(key, 'cat', '/proc/sys/kernel/random/boot_id')
    const before = await bootId()
    await inSystem(key, 'sudo', 'systemctl', 'reboot').catch(() => '')
    const again = () =>
      bootId().then(
        (id) => id !== before,
        () => false,
      )
    await until('the system is back from its own disk', again, START_MS)
    t.is((await road.client.chassis.get('c1')).status.life?.state, 'active')

    t.regex(await headOfRunning(key), /45 46 49 20 50 41 52 54/)
    await road.client.bareMetalInstances.release('server-1', { erase: 'quick' })
    await road.client.chassis.waitFor('c1', 'available', { deadlineMs: INSTALL_MS })
    t.is(chassis.power, 'off')
    t.notRegex(await headOfDisk(road, 'c1'), /EFIPART|LABELONE/)
  } catch (thrown) {
    t.log(chassis.consoleTail.slice(-3_000))
    t.log(JSON.stringify((await road.client.chassis.get('c1')).status.life?.failure ?? {}))
    throw thrown
  } finally {
    await road.close()
    await rm(folder, { recursive: true })
  }
})

/** The signature of the partition table, before it is erased. */
function headOfRunning(key: string): Promise<string> {
  return inSystem(key, 'sudo', 'od', '-An', '-tx1', '-j', '512', '-N', '8', '/dev/vda')
}
