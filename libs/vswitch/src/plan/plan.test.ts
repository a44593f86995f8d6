import { devicesOf } from '@purlin/schema'
import test from 'ava'
import type { PortDesired, PortGroupDesired, VswitchDesired } from '../desired.ts'
import { pluggedFacts } from '../facts.ts'
import { pipelineDigest } from '../flows/number.ts'
import { pipelinesWanted, portNumbersOf } from '../flows/pipelines.ts'
import { cableBridge, type Link } from '../links/link.ts'
import type { SwitchPortObserved, VswitchObserved } from '../observed.ts'
import { serviceOf } from '../services/service.ts'
import { independent } from './independent.ts'
import { type PlanSettings, planVswitch } from './plan.ts'
import { configurationFingerprint, namespaceFingerprint } from './service.ts'

const settings: PlanSettings = { runFolder: '/run/x', serviceUser: 'root', datapath: 'auto' }
const devices = devicesOf('0000000a')
const port: PortDesired = {
  port: 'web-1.eth0',
  portGroup: 'prod',
  switch: 'dvs0',
  vlan: 100,
  trunk: [],
  mac: '52:54:00:00:00:0a',
  mtu: 1500,
  devices,
}
const group: PortGroupDesired = {
  name: 'prod',
  switch: 'dvs0',
  vlan: 100,
  mtu: 1500,
  served: true,
  subnets: [{ cidr: '10.77.0.0/24', gateway: '10.77.0.1' }],
  dns: { domain: 'prod.example', forwarders: [] },
  reservations: [{ hostName: 'web-1', mac: port.mac, ipv4: ['10.77.0.50'], ipv6: [] }],
}
const desired: VswitchDesired = {
  switches: [{ name: 'dvs0', mtu: 1500, uplinks: ['eth1'] }],
  portGroups: [group],
  ports: [port],
}
const service = serviceOf(group, settings)
const nothing: VswitchObserved = {
  bridges: new Map(),
  switchPorts: new Map(),
  links: new Map(),
  services: new Map(),
  pipelines: new Map(),
  filterable: true,
  datapathType: 'netdev',
}

function link(name: string, alias: string, rest: Partial<Link> = {}): [string, Link] {
  const plain = { kind: 'veth', master: undefined, mac: '', bridge: undefined, addresses: [] }
  return [name, { name, index: 1, mtu: 1500, up: true, alias, group: 'default', ...plain, ...rest }]
}

function switchPort(name: string, rest: Partial<SwitchPortObserved>): [string, SwitchPortObserved] {
  const vlan = { tag: 100, vlanMode: 'access', trunks: [], interfaceIds: {}, externalIds: {} }
  const settings = { bondMode: undefined, lacp: undefined, isProtected: false, limit: undefined }
  const device = {
    ...{ name, type: '', options: {}, ofport: 1, error: undefined },
    ...{ linkState: 'up', lacpCurrent: undefined, mtu: 1500 },
  }
  const state = { bridge: 'dvs0', ofport: 1, error: undefined, interfaces: [device] }
  return [name, { name, ...state, ...vlan, ...settings, ...rest }]
}

/** The host on which everything desired stands. */
function standing(): VswitchObserved {
  const host = withoutFlows()
  const flows = pipelinesWanted(desired).map((pipeline) => {
    const committed = pipelineDigest(pipeline, portNumbersOf(pipeline.bridge, host))
    return [pipeline.bridge, { committed, intact: true, foreignFlows: 0 }] as const
  })
  return { ...host, pipelines: new Map(flows) }
}

function withoutFlows(): VswitchObserved {
  if (service === undefined) throw new Error('the port group of the test is served')
  const alias = 'purlin:port=web-1.eth0'
  return {
    ...nothing,
    bridges: new Map([
      [
        'dvs0',
        {
          name: 'dvs0',
          datapathType: 'netdev',
          failMode: 'standalone',
          externalIds: { 'purlin:switch': 'dvs0' },
          mtuRequest: 1500,
          mirrors: [],
          flowExports: [],
        },
      ],
    ]),
    switchPorts: new Map([
      switchPort('eth1', {
        tag: undefined,
        vlanMode: undefined,
        externalIds: { 'purlin:uplink': 'dvs0' },
      }),
      switchPort(devices.outer, {
        externalIds: { 'purlin:port': 'web-1.eth0' },
        interfaceIds: { 'iface-id': 'web-1.eth0', 'attached-mac': port.mac },
      }),
      switchPort(service.device, {
        externalIds: { 'purlin:port-group': 'prod' },
        interfaceIds: { 'attached-mac': service.mac },
      }),
    ]),
    links: new Map([
      link(devices.bridge, alias, { kind: 'bridge', bridge: cableBridge }),
      link(devices.inner, alias, { master: devices.bridge }),
      link(devices.outer, alias),
      link(service.device, 'purlin:port-group=prod'),
    ]),
    services: new Map([
      [
        'prod',
        {
          portGroup: 'prod',
          holder: { processId: 10, fingerprint: namespaceFingerprint(service), stamp: '' },
          dnsmasq: {
            processId: 11,
            state: 'running' as const,
            fingerprint: configurationFingerprint(service),
          },
          namespace: { addresses: new Set(['10.77.0.1']), udpPorts: new Set([53]) },
          reservations: service.reservations,
          names: service.names,
          owed: false,
        },
      ],
    ]),
  }
}

const summaries = (wanted: VswitchDesired, observed: VswitchObserved): readonly string[] =>
  planVswitch(wanted, observed, settings).map((step) => step.summary)

/** The host with one link, port or service other than it should be. */
function changed(change: (host: VswitchObserved) => Partial<VswitchObserved>): VswitchObserved {
  const host = standing()
  return { ...host, ...change(host) }
}

test('an empty host is planned in the order of what stands on what', (t) => {
  const steps = planVswitch(desired, nothing, settings)
  t.deepEqual(
    steps.map((step) => step.kind),
    ['make-switch', 'plug', 'serve', 'commit-flows'],
  )
  t.snapshot(steps.map((step) => step.summary))
})

test('a host as it should be has an empty plan and the NIC is plugged', (t) => {
  t.deepEqual(summaries(desired, standing()), [])
  t.deepEqual([...pluggedFacts(standing())], ['nic/web-1.eth0/plugged'])
})

test('what nobody wants is removed, ports first, and not while a machine uses them', (t) => {
  const steps = planVswitch({ switches: [], portGroups: [], ports: [] }, standing(), settings)
  t.deepEqual(
    steps.map((step) => `${step.kind} ${step.forbids.join()}`),
    ['unplug nic/web-1.eth0/in-use', 'withdraw ', 'remove-switch nic/web-1.eth0/in-use'],
  )
})

test('a port whose tap was away for long is removed whatever libvirt says', (t) => {
  const key = [...standing().links.keys()].find((name) => name.startsWith('pbr-'))?.slice(4) ?? ''
  const unused = changed(() => ({ unused: new Set([key]) }))
  const [unplug] = planVswitch({ switches: [], portGroups: [], ports: [] }, unused, settings)
  t.is(unplug?.kind, 'unplug')
  t.deepEqual(unplug?.forbids, [])
})

test('what has no mark of ours is never planned for', (t) => {
  const foreign = changed((host) => ({
    switchPorts: new Map([...host.switchPorts, switchPort('plain0', { tag: 100 })]),
    links: new Map([...host.links, link('plain0', ''), link('pbr-deadbeef', 'of somebody')]),
    bridges: new Map([
      ...host.bridges,
      [
        'br0',
        {
          name: 'br0',
          datapathType: 'system',
          failMode: undefined,
          externalIds: {},
          mtuRequest: undefined,
          mirrors: [],
          flowExports: [],
        },
      ],
    ]),
  }))
  t.deepEqual(summaries(desired, foreign), [])
})

const drift = test.macro({
  exec(t, change: (host: VswitchObserved) => Partial<VswitchObserved>, expected: RegExp) {
    const host = changed(change)
    const found = summaries(desired, host)
    t.is(found.length, 1, found.join('; '))
    t.regex(found[0] ?? '', expected)
  },
  title: (title = '') => `${title} is mended by one step`,
})
const portWith = (name: string, rest: Partial<SwitchPortObserved>) => (host: VswitchObserved) => {
  const found = host.switchPorts.get(name)
  return { switchPorts: new Map([...host.switchPorts, switchPort(name, { ...found, ...rest })]) }
}
const linkWith = (name: string, rest: Partial<Link>) => (host: VswitchObserved) => {
  const found = host.links.get(name)
  return { links: new Map([...host.links, link(name, found?.alias ?? '', { ...found, ...rest })]) }
}

test('another tag', drift, portWith(devices.outer, { tag: 7 }), /plug web-1.*has VLAN 7/)
test('a trunk', drift, portWith(devices.outer, { vlanMode: undefined }), /has VLAN 100/)
test('a port not opened', drift, portWith(devices.outer, { ofport: -1 }), /is not open/)
test('another MAC', drift, portWith(devices.outer, { interfaceIds: {} }), /another identity/)
test('a bridge down', drift, linkWith(devices.bridge, { up: false }), /pbr-0000000a is down/)
test('a loose cable', drift, linkWith(devices.inner, { master: undefined }), /is not in pbr/)
test('another MTU', drift, linkWith(devices.outer, { mtu: 1400 }), /has MTU 1400, not 1500/)
test(
  'a bridge without filter',
  drift,
  linkWith(devices.bridge, { bridge: { ...cableBridge, filterIpv4: 0 } }),
  /other bridge settings/,
)
test('a kernel without br_netfilter', drift, () => ({ filterable: false }), /no br_netfilter/)
test('a tagged uplink', drift, portWith('eth1', { tag: 5 }), /make switch dvs0: eth1 has VLAN 5/)
test(
  'a stray uplink',
  drift,
  portWith('eth2', { tag: undefined, externalIds: { 'purlin:uplink': 'dvs0' } }),
  /eth2 is no port of it any longer/,
)

const serviceWith = (rest: Partial<ReturnType<typeof prodService>>) => (host: VswitchObserved) => ({
  services: new Map([['prod', { ...prodService(host), ...rest }]]),
})
function prodService(host: VswitchObserved) {
  const found = host.services.get('prod')
  if (found === undefined) throw new Error('the port group of the test is served')
  return found
}
const running = { processId: 11, state: 'running' as const, fingerprint: 'other' }

test('a dead dnsmasq', drift, serviceWith({ dnsmasq: undefined }), /dnsmasq does not run/)
test('a lost namespace', drift, serviceWith({ holder: undefined }), /its namespace is missing/)
test('an old configuration', drift, serviceWith({ dnsmasq: running }), /another configuration/)
test(
  'a closed socket',
  drift,
  serviceWith({ namespace: { addresses: new Set(['10.77.0.1']), udpPorts: new Set() } }),
  /nothing listens on UDP port 53/,
)
test(
  'a missing name',
  drift,
  serviceWith({ names: new Map() }),
  /tell the service.*names: 1 to add/,
)
test('a change cut short', drift, serviceWith({ owed: true }), /was not seen through/)

test('a tap that libvirt is still making is left to libvirt', (t) => {
  const making = changed((host) => ({
    links: new Map([...host.links, link(devices.tap, '', { up: false })]),
  }))
  t.deepEqual(summaries(desired, making), [])
  const loose = changed((host) => ({ links: new Map([...host.links, link(devices.tap, '')]) }))
  t.regex(summaries(desired, loose)[0] ?? '', /ptap-0000000a is not in pbr-0000000a/)
})

test('a port that was made anew under its name loses its old devices', (t) => {
  const renewed = { ...port, devices: devicesOf('0000000b') }
  const steps = planVswitch({ ...desired, ports: [renewed] }, standing(), settings)
  t.deepEqual(
    steps.map((step) => step.kind),
    ['unplug', 'plug'],
  )
})

test('a bridge keeps its datapath by itself, and changes it when told', (t) => {
  const kernel = { ...standing(), datapathType: 'system' as const }
  t.deepEqual(summaries(desired, kernel), [])
  const told = planVswitch(desired, standing(), { ...settings, datapath: 'system' })
  t.like(told[0], { kind: 'make-switch', datapathType: 'system' })
})

test('a failed step holds back only what stands on it', (t) => {
  const [make, plug, serve] = planVswitch(desired, nothing, settings)
  const [unplug, withdraw, remove] = planVswitch(
    { switches: [], portGroups: [], ports: [] },
    standing(),
    settings,
  )
  if (!make || !plug || !serve || !unplug || !withdraw || !remove) {
    t.fail('the plans have other steps')
    return
  }
  t.false(independent(make, plug))
  t.false(independent(make, serve))
  t.true(independent(make, withdraw))
  t.true(independent(plug, serve))
  t.false(independent(unplug, remove))
  t.false(independent(unplug, plug))
  t.false(independent(withdraw, remove))
  t.true(independent(remove, make))
})
