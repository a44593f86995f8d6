import { devicesOf, gatewayMac, hostGatewayMac, serviceDevice } from '@purlin/schema'
import test from 'ava'
import type { PortGroupDesired, VswitchDesired } from '../desired.ts'
import type { Flow } from './flow.ts'
import { gatewayFlows } from './gateway-flows.ts'
import { macValue } from './match.ts'

const group: PortGroupDesired = {
  name: 'prod',
  switch: 'dvs0',
  vlan: 100,
  mtu: 1500,
  served: true,
  subnets: [
    {
      cidr: '10.77.0.0/24',
      gateway: '10.77.0.1',
      dhcp: { from: '10.77.0.50', to: '10.77.0.99', leaseSeconds: 3600 },
    },
    { cidr: 'fd77::/64', gateway: 'fd77::1', slaac: true },
  ],
  reservations: [],
}
const port = (key: string, more: object = {}) => ({
  port: `vm-${key}.eth0`,
  portGroup: 'prod',
  switch: 'dvs0',
  vlan: 100,
  trunk: [],
  mac: `52:54:00:00:00:${key.slice(6)}`,
  mtu: 1500,
  devices: devicesOf(key),
  ...more,
})
const desired: VswitchDesired = {
  host: 'one',
  switches: [{ name: 'dvs0', mtu: 1500, uplinks: ['up0'] }],
  portGroups: [group],
  ports: [port('0000000a'), port('0000000b', { path: 'direct' })],
}
const flows = (more: Partial<VswitchDesired> = {}, entries = ['up0']): readonly Flow[] =>
  gatewayFlows('dvs0', { ...desired, ...more }, entries)

/** A flow in the words of ovs-ofctl, nearly. */
function textOf({ priority, match, actions, origin }: Flow): string {
  const value = (of: bigint | string): string =>
    typeof of === 'string' ? of : `0x${of.toString(16)}`
  const words = match.map((one) => `${one.field}=${value(one.value)}`)
  const doing = actions.map((action) => {
    if (action.do === 'write') return `${action.field}:=${value(action.value)}`
    if (action.do === 'output') return `to ${action.port}`
    return action.do === 'tag' ? `tag ${action.vlan}` : action.do
  })
  return `${priority} ${words.join(' ')} -> ${doing.join(', ')} (${origin})`
}

test('the flows of a port group with a machine of each sort', (t) => {
  t.snapshot(flows().map(textOf))
})

test('a switch of one host, or without others behind it, needs none', (t) => {
  t.deepEqual(flows({}, []), [])
  const { host, ...alone } = desired
  t.is(host, 'one')
  t.deepEqual(gatewayFlows('dvs0', alone, ['up0']), [])
  t.deepEqual(flows({ portGroups: [{ ...group, served: false }] }), [])
})

test('no flow lets a frame with the gateway’s MAC onto the wire', (t) => {
  const own = macValue(gatewayMac('prod'))
  for (const { match, actions } of flows()) {
    const ofService = match.some(({ value }) => value === serviceDevice('prod'))
    if (!ofService || !actions.some((action) => action.do === 'normal')) continue
    const [first] = actions
    t.deepEqual(first, {
      do: 'write',
      field: 'dl_src',
      value: macValue(hostGatewayMac('prod', 'one')),
    })
  }
  const closed = flows().find(({ match }) => match.length === 1 && match[0]?.value === own)
  t.deepEqual(closed?.actions, [{ do: 'drop' }])
})

test('what only a served family says is kept here; the other passes', (t) => {
  const [four] = group.subnets
  const subnets = four === undefined ? [] : [four]
  const kept = flows({ portGroups: [{ ...group, subnets }] }).filter(
    ({ origin }) => origin === 'gateway/stays-here',
  )
  t.true(kept.every(({ match }) => match.some(({ value }) => value === 0x0800n)))
  t.true(kept.length > 0)
})
