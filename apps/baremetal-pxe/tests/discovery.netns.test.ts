/** One chassis from power-on to its report, and a stranger beside it: the daemon as users run it,
 *  a real BMC simulator, a real machine, and the discovery system. */
import test from 'ava'
import { Road } from './support/road.ts'
import { until } from './support/until.ts'

const DEADLINE_MS = 4 * 60_000

test('a chassis is switched on by its BMC, reports itself and is available; a stranger gets no answer', async (t) => {
  t.timeout(DEADLINE_MS + 60_000)
  const road = await Road.open({
    chassis: [
      { name: 'c1', macs: ['52:54:00:88:00:07', '52:54:00:88:00:08'] },
      { name: 'stranger', macs: ['52:54:00:88:00:99'], memoryMiB: 256, enrolled: false },
    ],
    // A second report with neighbours is not waited for: there is no switch that speaks LLDP.
    deadlines: { lingerSeconds: 1 },
  })
  const { client } = road
  const [known, stranger] = [road.chassis('c1'), road.chassis('stranger')]
  try {
    const wait = { deadlineMs: DEADLINE_MS }
    // A chassis that is found off is discovered by itself.
    await road.startStranger('stranger')
    const { status } = await client.chassis.waitFor('c1', 'available', wait)
    t.is(status.life?.identity, 'same')

    const { report } = await client.chassis.report('c1')
    t.is(report.system.uuid, known.options.uuid)
    t.is(report.system.serial, 'SN-c1')
    t.is(report.firmware.mode, 'bios')
    t.deepEqual(
      report.disks.map(({ serial, sizeBytes }) => [serial, sizeBytes]),
      [['c1-d0', 8 * 1024 ** 3]],
    )
    t.deepEqual(
      report.nics.map(({ mac }) => mac).toSorted(),
      known.options.nics.map(({ mac }) => mac),
    )
    t.truthy(report.bmc, 'the machine sees its BMC')
    t.is(known.power, 'off', 'what has reported is switched off')

    await until('the stranger has given up', () =>
      /No configuration methods succeeded|No bootable device/.test(stranger.consoleTail),
    )
    t.notRegex(stranger.consoleTail, /10\.88\.0\.\d+\/255/)
  } catch (thrown) {
    t.log(known.consoleTail.slice(-2_000))
    throw thrown
  } finally {
    await road.close()
  }
})
