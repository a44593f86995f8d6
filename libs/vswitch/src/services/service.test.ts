import test from 'ava'
import type { PortGroupDesired } from '../desired.ts'
import { questionsOf, readQuestions } from './probe.ts'
import { serviceOf } from './service.ts'

const settings = { runFolder: '/run/purlin/network', serviceUser: 'dnsmasq' }
const prod: PortGroupDesired = {
  name: 'prod',
  switch: 'dvs0',
  vlan: 100,
  mtu: 1500,
  served: true,
  subnets: [
    {
      cidr: '10.77.0.0/23',
      gateway: '10.77.0.1',
      dhcp: { from: '10.77.0.50', to: '10.77.1.99', leaseSeconds: 3600 },
    },
    {
      cidr: 'fd77::/64',
      gateway: 'fd77::1',
      dhcp: { from: 'fd77::50', to: 'fd77::99', leaseSeconds: 1800 },
    },
  ],
  dns: { domain: 'prod.example', forwarders: ['10.77.0.2'] },
  reservations: [
    {
      hostName: 'web-1',
      mac: '52:54:00:00:00:0A',
      ipv4: ['10.77.0.50', '192.0.2.9'],
      ipv6: ['fd77:0::50'],
    },
  ],
}

test('the configuration of a port group with everything', (t) => {
  t.snapshot(serviceOf(prod, settings)?.configuration)
})

test('the configuration of a port group with names alone', (t) => {
  const subnets = [{ cidr: '10.77.0.0/24', gateway: '10.77.0.1' }]
  const service = serviceOf({ ...prod, subnets }, settings)
  t.snapshot(service?.configuration)
  t.deepEqual(service?.sockets, [53])
  t.is(service?.reservations.size, 0)
})

test('a reservation has the addresses that are leased, a name has all of them', (t) => {
  const service = serviceOf(prod, settings)
  t.deepEqual(
    [...(service?.reservations ?? [])],
    [['52540000000a', '52:54:00:00:00:0a,10.77.0.50,[fd77::50],web-1\n']],
  )
  t.deepEqual(
    [...(service?.names ?? [])],
    [
      [
        '52540000000a',
        '10.77.0.50 web-1.prod.example web-1\n192.0.2.9 web-1.prod.example web-1\nfd77::50 web-1.prod.example web-1\n',
      ],
    ],
  )
})

test('without names and leases the gateway alone is answered', (t) => {
  const { dns, ...unnamed } = prod
  t.truthy(dns)
  const subnets = [{ cidr: '10.77.0.0/24', gateway: '10.77.0.1' }]
  const service = serviceOf({ ...unnamed, subnets }, settings)
  t.deepEqual(service?.addresses, ['10.77.0.1/24'])
  t.is(service?.configuration, undefined)
})

test('a port group without a port here, or without a gateway, is not served', (t) => {
  t.is(serviceOf({ ...prod, served: false }, settings), undefined)
  t.is(serviceOf({ ...prod, subnets: [{ cidr: '10.77.0.0/24' }] }, settings), undefined)
})

test('machines that make their own addresses, and machines that start from the network', (t) => {
  const [four] = prod.subnets
  const six = { cidr: 'fd77::/64', gateway: 'fd77::1', slaac: true }
  const both = { ...six, dhcp: { from: 'fd77::50', to: 'fd77::99', leaseSeconds: 1800 } }
  const pxe = {
    nextServer: '10.77.0.9',
    bios: 'pxelinux.0',
    uefi: 'snponly.efi',
    uefiArm64: 'arm64.efi',
    uefiHttp: 'http://10.77.0.9/boot.efi',
    ipxe: 'http://10.77.0.9/boot.ipxe',
    ipv6: 'tftp://[fd77::9]/boot.efi',
  }
  const configuration = (subnets: PortGroupDesired['subnets']): string =>
    serviceOf({ ...prod, subnets, pxe }, settings)?.configuration ?? ''
  t.snapshot(configuration([...(four === undefined ? [] : [four]), both]))
  t.regex(configuration([six]), /^dhcp-range=fd77::,ra-only,64$/m)
  t.notRegex(configuration([six]), /dhcp-hostsdir|bootfile/, 'nothing is leased')
})

test('a service is asked what it serves', (t) => {
  const range = { from: 'fd78::5', to: 'fd78::9' }
  const asked = (group: PortGroupDesired) => {
    const service = serviceOf(group, settings)
    return service && questionsOf(service)
  }
  t.deepEqual(asked(prod), { dns: '10.77.0.1', dhcp: '10.77.0.1', dhcp6: 'fd77::1' })
  const subnets = [{ cidr: 'fd77::/64', gateway: 'fd77::1', slaac: true }]
  t.deepEqual(asked({ ...prod, subnets }), { dns: 'fd77::1' })
  const leased = { cidr: 'fd78::/64', gateway: 'fd78::1', dhcp: { ...range, leaseSeconds: 60 } }
  const mixed = [...subnets, leased]
  t.deepEqual(asked({ ...prod, subnets: mixed }), { dns: 'fd77::1', dhcp6: 'fd78::1' })
  t.deepEqual(readQuestions({ dhcp6: 'fd78::1' }), { dhcp6: 'fd78::1' })
  t.deepEqual(readQuestions({ dns: '10.77.0.1', dhcp: 'a; b' }), { dns: '10.77.0.1' })
  t.deepEqual(readQuestions(undefined), {})
})
