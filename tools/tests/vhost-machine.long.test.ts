import test from 'ava'
import { startVhostMachine } from './vhost-machine.ts'
import { endWriter, eventually, goesOn, MACHINE, startVolumeHost, WRITER } from './volume-host.ts'

/** About two minutes on a machine that has nothing else to do. */
const TEST_LIMIT_MS = 600_000

test.serial(
  'a machine on a vhost-user disk writes on through kill -9 and upgrades of the block daemon, sees its volume grow, and sees no error',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    await using machine = await startVhostMachine()
    await machine.guest(WRITER)
    await goesOn(machine, 'at first', 10)
    for (let round = 0; round < 3; round++) {
      await machine.killDaemon()
      await machine.startDaemon()
      await goesOn(machine, 'after the daemon was killed', 10)
      await machine.upgradeDaemon()
      await goesOn(machine, 'after the daemon was upgraded', 10)
    }
    await machine.grow(2 ** 27)
    await eventually('the guest sees a larger disk', async () => {
      return (await machine.guest('cat /sys/block/vda/size')) === `${2 ** 27 / 512}\n`
    })
    await goesOn(machine, 'after its disk grew', 10)
    // Sectors of 512 bytes in the midst of blocks of 4096, and space given back.
    await machine.guest(`yes odd | head -c 1536 >/tmp/odd
dd if=/tmp/odd of=/dev/vda bs=512 seek=200003 oflag=direct conv=notrunc
dd if=/dev/vda of=/tmp/back bs=512 skip=200003 count=3 iflag=direct
cmp /tmp/odd /tmp/back`)
    t.is(await machine.guest('cat /sys/block/vda/queue/physical_block_size'), '4096\n')
    t.not(await machine.guest('cat /sys/block/vda/queue/discard_max_bytes'), '0\n')
    const { wrong, rounds } = await endWriter(machine)
    t.is(wrong, '')
    t.true(rounds > 70)
  },
)

test.serial(
  'a machine of the agent has its disk by vhost-user, and writes on through kill -9, an upgrade and growth',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    const options = { redundancy: { replicas: 2 }, diskCount: 3, attach: 'vhost-user' as const }
    await using host = await startVolumeHost(options)
    const { client } = host
    await host.make()
    const shown = await client.volumes.get('vol-a')
    t.regex(String(shown.status.vhostSocket), /\/vol-a\.vhost\.sock$/)
    t.is(await host.guest('cat /sys/block/vda/serial'), 'vol-a')
    await host.guest(WRITER)
    await goesOn(host, 'at first', 10)
    await host.killDaemon()
    await host.startDaemon()
    await goesOn(host, 'after the daemon was killed', 10)
    await host.upgradeDaemon()
    await goesOn(host, 'after the daemon was upgraded', 10)
    const larger = { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 / 8 } }
    t.is((await (await client.apply([larger])).wait({ deadlineMs: 60_000 })).state, 'succeeded')
    await eventually('the guest sees a larger disk', async () => {
      return (await host.guest('cat /sys/block/vda/size')) === `${2 ** 27 / 512}\n`
    })
    await goesOn(host, 'after its disk grew', 10)
    const { conditions } = (await client.virtualMachines.get(MACHINE)).status
    t.deepEqual(
      conditions.map(({ type, status }) => `${type} ${status}`),
      ['Ready true'],
    )
    const { wrong, rounds } = await endWriter(host)
    t.is(wrong, '')
    t.true(rounds > 40)
  },
)
