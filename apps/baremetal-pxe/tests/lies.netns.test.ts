/** BMCs that say yes and do nothing: what the daemon does and says. The chassis have no machine, so
 *  that nothing ever asks what to boot. */
import test from 'ava'
import { Road } from './support/road.ts'

const WAIT = { deadlineMs: 200_000 }
const SHORT = {
  ...{ firstContactSeconds: 2, commandsSeconds: 15, pauseSeconds: 0.2, pauseMostSeconds: 0.5 },
}

test.serial(
  'a chassis that never asks what to boot is started again, then has failed with its reason',
  async (t) => {
    const road = await Road.open({
      chassis: [{ name: 'deaf', macs: ['52:54:00:88:00:11'], machine: false }],
      deadlines: SHORT,
    })
    try {
      const { status } = await road.client.chassis.waitFor('deaf', 'failed', WAIT)
      t.is(status.life?.failure?.state, 'discovering')
      t.regex(status.life?.failure?.cause ?? '', /boot|network|ask|contact/i)
      const starts = road.chassis('deaf').events.filter(({ what }) => what.startsWith('start'))
      t.true(starts.length >= 3, 'it was started again twice')
      t.true(starts.every(({ what }) => what === 'start, network first'))
    } finally {
      await road.close()
    }
  },
)

test.serial(
  'a BMC that answers a power command and does not carry it out is found out',
  async (t) => {
    const road = await Road.open({
      chassis: [{ name: 'stuck', macs: ['52:54:00:88:00:12'], machine: false }],
      deadlines: SHORT,
      faults: { stuck: { ignoresPower: true } },
    })
    try {
      const { status } = await road.client.chassis.waitFor('stuck', 'failed', WAIT)
      t.regex(status.life?.failure?.cause ?? '', /BMC did not carry out start/)
      t.is(road.chassis('stuck').power, 'off')
    } finally {
      await road.close()
    }
  },
)
