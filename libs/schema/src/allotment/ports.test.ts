import test from 'ava'
import { kinds } from '../resources/kinds.ts'
import type { PortSpec } from '../resources/port.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'
import type { VirtualMachineSpec } from '../resources/virtual-machine.ts'
import { allotPorts, type PortGrounds } from './ports.ts'

const prod: PortGroupSpec = kinds.PortGroup.manifest.parse({
  kind: 'PortGroup',
  name: 'prod',
  spec: {
    switch: 'dvs0',
    subnets: [
      {
        cidr: '10.77.0.0/24',
        gateway: '10.77.0.1',
        dhcp: { from: '10.77.0.50', to: '10.77.0.52' },
      },
      { cidr: 'fd77::/64', gateway: 'fd77::1', dhcp: { from: 'fd77::50', to: 'fd77::99' } },
    ],
  },
}).spec

function machine(
  name: string,
  nic: Record<string, unknown> = {},
): { name: string; spec: VirtualMachineSpec } {
  const nics = [{ name: 'eth0', portGroup: 'prod', ...nic }]
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', nics }
  return {
    name,
    spec: kinds.VirtualMachine.manifest.parse({ kind: 'VirtualMachine', name, spec }).spec,
  }
}

function allot(
  machines: PortGrounds['machines'],
  existing: ReadonlyMap<string, PortSpec> = new Map(),
) {
  return allotPorts({ machines, portGroups: new Map([['prod', prod]]), existing })
}

test('a new NIC gets the lowest free address of each DHCP range, in the machines’ order', (t) => {
  const ports = allot([machine('web-1'), machine('app-1')])
  t.deepEqual(ports.get('web-1.eth0')?.ipv4, ['10.77.0.50'])
  t.deepEqual(ports.get('app-1.eth0')?.ipv4, ['10.77.0.51'])
  t.deepEqual(ports.get('app-1.eth0')?.ipv6, ['fd77::51'])
  t.not(ports.get('web-1.eth0')?.mac, ports.get('app-1.eth0')?.mac)
  t.not(ports.get('web-1.eth0')?.conntrackZone, ports.get('app-1.eth0')?.conntrackZone)
})

test('a port keeps its identity and addresses when other machines come and go', (t) => {
  const before = allot([machine('a'), machine('b'), machine('c')])
  const after = allot([machine('c'), machine('d')], before)
  t.deepEqual(after.get('c.eth0'), before.get('c.eth0'))
  t.deepEqual(after.get('d.eth0')?.ipv4, ['10.77.0.50'])
  t.false(after.has('a.eth0'))
})

test('a fixed address is taken before free ones are given out, whatever the order', (t) => {
  const ports = allot([machine('free'), machine('fixed', { addresses: ['10.77.0.50'] })])
  t.deepEqual(ports.get('fixed.eth0')?.ipv4, ['10.77.0.50'])
  t.deepEqual(ports.get('fixed.eth0')?.ipv6, [])
  t.deepEqual(ports.get('free.eth0')?.ipv4, ['10.77.0.51'])
})

test('a changed fixed address moves the port’s address and keeps its devices', (t) => {
  const before = allot([machine('a')])
  const after = allot([machine('a', { addresses: ['10.77.0.9'] })], before)
  t.deepEqual(after.get('a.eth0')?.ipv4, ['10.77.0.9'])
  t.is(after.get('a.eth0')?.deviceKey, before.get('a.eth0')?.deviceKey)
  t.is(after.get('a.eth0')?.conntrackZone, before.get('a.eth0')?.conntrackZone)
  t.is(after.get('a.eth0')?.mac, before.get('a.eth0')?.mac)
})

test('an exhausted range is refused with the range and what to do', (t) => {
  const error = t.throws(() => allot(['a', 'b', 'c', 'd'].map((name) => machine(name))))
  t.like(error, { code: 'PUR_ADDRESS_POOL_EMPTY' })
  t.regex(error?.message ?? '', /10\.77\.0\.50 to 10\.77\.0\.52/)
})

for (const [title, nic, found] of [
  ['outside every subnet', { addresses: ['192.0.2.1'] }, /lies in no subnet/],
  ['of the gateway', { addresses: ['fd77:0::1'] }, /is the gateway/],
  ['held by another', { addresses: ['10.77.0.9'] }, /is held by first\.eth0/],
  ['a MAC of another', { mac: '52:54:00:00:00:01' }, /is the MAC of first\.eth0/],
] as const) {
  test(`a fixed address or MAC ${title} is refused`, (t) => {
    const first = machine('first', { addresses: ['10.77.0.9'], mac: '52:54:00:00:00:01' })
    const error = t.throws(() => allot([first, machine('second', nic)]))
    t.like(error, { code: 'PUR_INVALID' })
    t.regex(error?.message ?? '', found)
  })
}

test('where machines make their own addresses, a port has what its MAC makes of the prefix', (t) => {
  const manifest = (dhcp?: object): PortGroupSpec =>
    kinds.PortGroup.manifest.parse({
      kind: 'PortGroup',
      name: 'prod',
      spec: {
        switch: 'dvs0',
        subnets: [{ cidr: 'fd77::/64', gateway: 'fd77::1', slaac: true, ...dhcp }],
      },
    }).spec
  const given = (group: PortGroupSpec, existing = new Map<string, PortSpec>()) =>
    allotPorts({
      machines: [machine('a', { mac: '52:54:00:00:00:0a' })],
      portGroups: new Map([['prod', group]]),
      existing,
    })
  const alone = given(manifest())
  t.deepEqual(alone.get('a.eth0')?.ipv6, ['fd77::5054:ff:fe00:a'])
  t.deepEqual(given(manifest(), new Map(alone)), alone, 'it stays')
  const both = given(manifest({ dhcp: { from: 'fd77::50', to: 'fd77::60' } }), new Map(alone))
  t.deepEqual(both.get('a.eth0')?.ipv6, ['fd77::50', 'fd77::5054:ff:fe00:a'])
})
