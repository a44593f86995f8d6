import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { done } from './machine-host.ts'
import {
  endWriter,
  eventually,
  goesOn,
  MACHINE,
  rounds,
  startVolumeHost,
  type VolumeHost,
  WRITER,
} from './volume-host.ts'

const TEST_LIMIT_MS = 300_000

/** Writes the number of each round to one disk and then to the other, past every cache, and reads
 *  before it what the round before has left: it goes on only where its disks are those that it
 *  remembers. What it counts is in its memory. */
const TWO_DISKS = `cat >/tmp/writer <<'END'
i=0; last=; : >/tmp/wrong
while :; do
  for disk in vda vdb; do
    dd if=/dev/$disk of=/tmp/back bs=4096 count=1 iflag=direct 2>/dev/null
    [ -z "$last" ] || cmp -s /tmp/back /tmp/last || echo "round $i: $disk is another" >>/tmp/wrong
  done
  i=$((i + 1)); last=$i
  yes "round $i" | head -c 4096 >/tmp/block
  for disk in vda vdb; do
    dd if=/tmp/block of=/dev/$disk bs=4096 conv=notrunc,fsync oflag=direct 2>/dev/null
  done
  mv /tmp/block /tmp/last
  echo $i >/tmp/round.new; mv /tmp/round.new /tmp/round
done
END
echo 0 >/tmp/round
sh /tmp/writer >/dev/null 2>&1 &`

let host: VolumeHost
test.before(async () => {
  host = await startVolumeHost({
    ...{ redundancy: { replicas: 2 }, diskCount: 3, twoDisks: true },
  })
  await host.make()
})
test.after.always(() => host[Symbol.asyncDispose]())

test.serial(
  'a machine on a volume writes on through kill -9 and an upgrade of the block daemon, sees its volume grow, and sees no error',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    const { client } = host
    await host.guest(WRITER)
    await goesOn(host, 'at first')

    const refused = await t.throwsAsync(client.volumes.delete('vol-a'))
    t.regex(refused?.message ?? '', /VirtualMachine db-1/)

    await host.killDaemon()
    await eventually('the machine stands still', async () => {
      const { status } = await client.virtualMachines.get(MACHINE)
      return status.conditions[0]?.reason === 'StoppedOnError'
    })
    await host.startDaemon()
    await goesOn(host, 'after the daemon was killed')
    await host.upgradeDaemon()
    await goesOn(host, 'after the daemon was upgraded')

    const larger = { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 / 8 } }
    t.is((await (await client.apply([larger])).wait({ deadlineMs: 60_000 })).state, 'succeeded')
    await eventually('the guest sees a larger disk', async () => {
      return (await host.guest('cat /sys/block/vda/size')) === `${2 ** 27 / 512}\n`
    })
    await goesOn(host, 'after its disk grew')

    const { wrong, rounds } = await endWriter(host)
    t.is(wrong, '')
    t.true(rounds > 9)
    t.is((await client.virtualMachines.get(MACHINE)).status.conditions[0]?.reason, 'Running')
  },
)

test.serial(
  'a machine’s disks are kept at one instant, its memory too; gone back to, both disks are of that instant and the guest counts on',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    const { client, sockets } = host
    const { machineSnapshots, virtualMachines } = client
    await host.guest(TWO_DISKS)
    await goesOn(host, 'at first')

    const before = await rounds(host)
    await done(machineSnapshots.take(MACHINE, 'disks'))
    const between = await rounds(host)
    await done(machineSnapshots.take(MACHINE, 'whole', { memory: true }))
    const after = await rounds(host)
    const { spec: whole } = await machineSnapshots.get('whole')
    const { spec: disks, status } = await machineSnapshots.get('disks')
    t.is(status.conditions[0]?.reason, 'Taken')
    t.true((whole.memoryBytes ?? 0) > 2 ** 20)
    t.log(`stood still ${disks.stoodStillMs} ms; with memory ${whole.stoodStillMs} ms`)
    await goesOn(host, 'after it was kept')

    await t.throwsAsync(machineSnapshots.revert('whole'), { code: 'PUR_VIRT_POWER' })
    const held = await t.throwsAsync(client.volumes.delete('vol-b'))
    t.regex(held?.message ?? '', /MachineSnapshot disks/)
    await t.throwsAsync(virtualMachines.delete(MACHINE), { code: 'PUR_RESOURCE_IN_USE' })

    const gone = await rounds(host)
    await done(virtualMachines.destroy(MACHINE))
    await done(machineSnapshots.revert('whole'))
    await eventually('the guest goes on', async () => (await rounds(host)) > 0)
    const back = await rounds(host)
    t.true(back >= between, `${back} rounds after the revert, ${between} before the snapshot`)
    t.true(back < gone || back >= after, `${back} rounds of ${gone}`)
    await goesOn(host, 'with the memory it had')
    t.is(await host.guest('cat /tmp/wrong'), '', 'its disks are those that it remembers')

    await done(virtualMachines.destroy(MACHINE))
    await done(machineSnapshots.revert('disks'))
    t.is((await virtualMachines.open(MACHINE)).power, 'stopped')
    const [first = 0, second = 0] = await Promise.all(
      ['vol-a', 'vol-b'].map((volume) => roundOn(join(sockets, `${volume}.sock`), volume)),
    )
    t.true(first === second || first === second + 1, `${first} and ${second}`)
    t.true(first >= before && second <= between, `${first} of ${before} to ${between}`)

    for (const name of ['disks', 'whole']) await done(machineSnapshots.delete(name))
    t.deepEqual(await machineSnapshots.list(), [])
    const names = (await host.daemonStatus()).pools.flatMap(
      ({ engine }) => engine?.volumes.map(({ name }) => name) ?? [],
    )
    t.deepEqual(names.toSorted(), ['vol-a', 'vol-b'])
  },
)

test.serial('a deleted machine comes back from the trash as the one that it was', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  const { virtualMachines, volumes } = host.client
  const { trash } = virtualMachines
  const before = await virtualMachines.get(MACHINE)
  // Its task would wait for the switch, which this host has not.
  await virtualMachines.delete(MACHINE)
  await t.throwsAsync(virtualMachines.get(MACHINE), { code: 'PUR_RESOURCE_MISSING' })
  t.is((await volumes.get('vol-a')).status.conditions[0]?.reason, 'Served', 'its disks stay')
  t.like(await trash.list(), [{ name: MACHINE, uid: before.uid, disks: ['vol-a', 'vol-b'] }])
  await done(trash.restore(MACHINE))
  const back = await virtualMachines.get(MACHINE)
  t.is(back.uid, before.uid)
  t.deepEqual(back.spec, { ...before.spec, powerState: 'stopped' })
  t.is((await virtualMachines.open(MACHINE)).power, 'stopped')
  t.deepEqual(await trash.list(), [])
})

/** The number of the round that a volume was written to last; what is no letter and no digit is
 *  printed as a dot. */
async function roundOn(socket: string, volume: string): Promise<number> {
  const uri = `nbd+unix:///${volume}?socket=${socket}`
  const words = ['-f', 'raw', '-c', 'read -v 0 16', uri]
  const { stdout } = await run('qemu-io', words, { timeoutMs: 20_000 })
  return Number(/round\.(\d+)/.exec(stdout)?.[1])
}
