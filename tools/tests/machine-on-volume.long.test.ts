import test from 'ava'
import {
  endWriter,
  eventually,
  goesOn,
  MACHINE,
  startVolumeHost,
  type VolumeHost,
  WRITER,
} from './volume-host.ts'

/** Two to three minutes on a machine that has nothing else to do. */
const TEST_LIMIT_MS = 900_000

interface Policy {
  readonly name: string
  readonly redundancy: object
  readonly diskCount: number
  /** How many disks may be away. */
  readonly limit: number
}

const survives = test.macro({
  title: (_given, { name, limit }: Policy) =>
    `a machine on ${name} writes and checks while ${limit} disks go, and while the daemon is killed and upgraded; with one more it stands still, and all is back with the disks`,
  exec: async (t, { redundancy, diskCount, limit }: Policy) => {
    t.timeout(TEST_LIMIT_MS)
    await using host = await startVolumeHost({ redundancy, diskCount })
    await host.make()
    await host.guest(WRITER)
    await goesOn(host, 'at first', 70)
    for (let gone = 0; gone < limit; gone++) {
      // The file goes first, as a disk that is pulled does; the daemon finds out when it starts.
      await host.hideDisk(gone)
      await host.killDaemon()
      await host.startDaemon()
      await goesOn(host, `with ${gone + 1} disks away`, 40)
      await host.upgradeDaemon()
      await goesOn(host, `with ${gone + 1} disks away, upgraded`, 20)
    }
    t.is((await host.daemonStatus()).pools[0]?.engine?.disks.filter(isAway).length, limit)
    await host.killDaemon()
    for (let gone = 0; gone < limit; gone++) await host.returnDisk(gone)
    await host.startDaemon()
    await caughtUp(host)

    // Pulled one after the other with time to recover in between, even more could go: at once.
    await host.killDaemon()
    for (let gone = 0; gone <= limit; gone++) await host.hideDisk(gone)
    await eventually('the machine stands still', async () => {
      return (await readyReason(host)) === 'StoppedOnError'
    })
    t.regex(await host.failingDaemon(), /the pool cannot be opened without disks/)
    await eventually('the pool is said to be away', async () => {
      const { status } = await host.client.storagePools.get('fast')
      return status.conditions[0]?.reason === 'NoDaemon'
    })
    t.is(await readyReason(host), 'StoppedOnError')
    for (let gone = 0; gone <= limit; gone++) await host.returnDisk(gone)
    await host.startDaemon()
    await goesOn(host, 'with all disks back', 20)
    await caughtUp(host)

    // All that is on so many disks is lost at once while the daemon has them open.
    for (let index = 0; index < limit; index++) await host.emptyDisk(diskCount - 1 - index)
    await goesOn(host, 'while disks are emptied under the daemon', 70)

    const { wrong, rounds } = await endWriter(host)
    t.is(wrong, '')
    t.log(`${rounds} rounds of 64 KiB`)
  },
})

async function caughtUp(host: VolumeHost): Promise<void> {
  await eventually('what returned has caught up', async () => {
    const [pool] = (await host.daemonStatus()).pools
    return pool?.engine?.shortStripes === 0 && pool.engine.disks.every((disk) => !isAway(disk))
  })
}

function isAway({ state }: { readonly state: string }): boolean {
  return state !== 'online'
}

async function readyReason({ client }: VolumeHost): Promise<string | undefined> {
  return (await client.virtualMachines.get(MACHINE)).status.conditions[0]?.reason
}

test.serial(survives, {
  ...{ name: 'three replicas', redundancy: { replicas: 3 } },
  ...{ diskCount: 4, limit: 2 },
})
test.serial(survives, {
  ...{ name: 'erasure 4+2', redundancy: { erasure: '4+2' } },
  ...{ diskCount: 6, limit: 2 },
})
