import { createVirtualClock, PurlinError } from '@purlin/base'
import type { BootNotice } from '@purlin/boot-service'
import type { NewEvent } from '@purlin/schema'
import { Alerts } from '@purlin/service'
import test from 'ava'
import type { NetworkStanding } from './boot-network.ts'
import { tellNetwork, tellNotice } from './events.ts'
import { openMetrics } from './metrics.ts'

const network = 'deploy0'
const serving: NetworkStanding = { state: 'serving', hosts: [], foreignServers: false }

function rig() {
  const told: NewEvent[] = []
  const tell = (event: NewEvent): void => void told.push(event)
  const alerts = new Alerts(createVirtualClock(1_700_000_000_000), tell)
  const metrics = openMetrics()
  return {
    told,
    standing: () =>
      alerts
        .list()
        .filter(({ clearedAtMs }) => clearedAtMs === undefined)
        .map(({ code }) => code)
        .toSorted(),
    notice: (what: BootNotice['what']) =>
      tellNotice({
        ...{ network, alerts, tell, metrics },
        notice: { what, level: 'alert', message: `${what} at 10.88.0.66` },
      }),
    network: (standing: NetworkStanding) => tellNetwork({ network, standing, alerts }),
  }
}

test('another DHCP server is an alert until it has gone, whatever else changes on its network', (t) => {
  const { told, standing, notice, network: changed } = rig()
  changed(serving)
  notice('foreign-server')
  // A chassis was enrolled, an enrol window opened.
  for (let changes = 0; changes < 3; changes++) changed({ ...serving, foreignServers: true })
  t.deepEqual(standing(), ['PUR_BOOT_FOREIGN_SERVER'])
  notice('foreign-server-gone')
  changed(serving)
  t.deepEqual(standing(), [])
  t.deepEqual(
    told.map(({ type }) => type),
    ['boot.foreign-server', 'alert.raised', 'boot.foreign-server-gone', 'alert.cleared'],
  )
})

test('an alert about another server ends with its network, and with a service that looks anew', (t) => {
  for (const after of [{ state: 'closed', hosts: [] } as const, serving]) {
    const { standing, notice, network: changed } = rig()
    notice('foreign-server')
    changed(after)
    t.deepEqual(standing(), [])
  }
})

test('what keeps a network from being served is an alert until it is served', (t) => {
  const { standing, notice, network: changed } = rig()
  const error = new PurlinError('PUR_BOOT_LISTEN', { message: 'port 8088 is taken' })
  changed({ state: 'failed', hosts: [], error })
  notice('dhcp-failed')
  t.deepEqual(standing(), ['PUR_BOOT_DHCP', 'PUR_BOOT_LISTEN'])
  changed({ state: 'opening', hosts: [] })
  t.deepEqual(standing(), ['PUR_BOOT_DHCP', 'PUR_BOOT_LISTEN'], 'not served yet')
  changed(serving)
  t.deepEqual(standing(), [])
})
