import test from 'ava'
import { endWriter, eventually, goesOn, MACHINE, startVolumeHost, WRITER } from './volume-host.ts'

const TEST_LIMIT_MS = 300_000

test('a machine on a volume writes on through kill -9 and an upgrade of the block daemon, sees its volume grow, and sees no error', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  await using host = await startVolumeHost({ redundancy: { replicas: 2 }, diskCount: 3 })
  const { client } = host
  await host.make()
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
})
