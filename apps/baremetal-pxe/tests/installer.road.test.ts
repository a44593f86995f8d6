/** Debian 13 by its own installer, to the same end as an image. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  inSystem,
  installationOf,
  MACS,
  sshKey,
  untilActive,
  untilReachable,
} from './support/installation.ts'
import { Road } from './support/road.ts'

const INSTALL_MS = 55 * 60_000
const START_MS = 10 * 60_000

test('Debian’s installer comes to the same end: volumes, bond, address, login', async (t) => {
  const folder = await mkdtemp('/tmp/road-key-')
  await sshKey(folder)
  const key = join(folder, 'key')
  const road = await Road.open({
    chassis: [{ name: 'c1', macs: MACS, memoryMiB: 1_536 }],
    deadlines: { lingerSeconds: 1 },
    manifest: installationOf('media', false),
    files: { 'key.pub': await readFile(`${key}.pub`, 'utf8') },
  })
  try {
    t.log(JSON.stringify(await untilActive(road, INSTALL_MS)))
    await untilReachable(key, START_MS)
    t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/'), '/dev/mapper/sys-root')
    t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/var'), '/dev/mapper/sys-var')
    t.is(await inSystem(key, 'hostname'), 'server-1')
    const bond = await inSystem(key, 'cat', '/proc/net/bonding/bond0')
    t.is(bond.match(/^Slave Interface:/gm)?.length, 2)
    t.is(bond.match(/^MII Status: up/gm)?.length, 3)
  } catch (thrown) {
    t.log(road.chassis('c1').consoleTail.slice(-3_000))
    t.log(JSON.stringify((await road.client.chassis.get('c1')).status.life?.failure ?? {}))
    throw thrown
  } finally {
    await road.close()
    await rm(folder, { recursive: true })
  }
})
