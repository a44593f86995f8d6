import test from 'ava'
import { cableBridge, namesOf, parseLinks, sameBridge } from './link.ts'
import { linkOfNotification } from './watch.ts'

const bridge = {
  ifindex: 2,
  ifname: 'pbr-0000000a',
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mtu: 1400,
  address: '02:b2:ad:7d:8a:af',
  ifalias: 'purlin:port=web-1.eth0',
  group: 'default',
  linkinfo: {
    info_kind: 'bridge',
    info_data: {
      forward_delay: 0,
      ageing_time: 0,
      stp_state: 0,
      mcast_snooping: 0,
      nf_call_iptables: 1,
      nf_call_ip6tables: 1,
    },
  },
}

test('a bridge is read with its settings and its owner', (t) => {
  const link = parseLinks(JSON.stringify([bridge])).get('pbr-0000000a')
  t.deepEqual(link, {
    name: 'pbr-0000000a',
    index: 2,
    kind: 'bridge',
    master: undefined,
    mtu: 1400,
    up: true,
    alias: 'purlin:port=web-1.eth0',
    group: 'default',
    mac: '02:b2:ad:7d:8a:af',
    bridge: cableBridge,
    addresses: [],
  })
})

test('a bridge that is not filtered is not the same bridge', (t) => {
  t.true(sameBridge(cableBridge, cableBridge))
  t.false(sameBridge({ ...cableBridge, filterIpv6: 0 }, cableBridge))
  t.false(sameBridge(undefined, cableBridge))
})

test('no links at all is an empty list', (t) => {
  t.is(parseLinks('').size, 0)
  t.is(parseLinks('[]').size, 0)
})

test('a notification tells its link, whether it came or went', (t) => {
  const tail = ': <BROADCAST,MULTICAST> mtu 1500 state DOWN'
  t.is(linkOfNotification(`4: pin-0000000a@pout-0000000a${tail}`), 'pin-0000000a')
  t.is(linkOfNotification(`Deleted 4: pin-0000000a@NONE${tail}`), 'pin-0000000a')
  t.is(linkOfNotification(`2: dvs0${tail}`), 'dvs0')
  t.is(linkOfNotification('    link/ether 02:b2:ad:7d:8a:af'), undefined)
})

test('the kernel’s list of links gives their names, and nothing of its heading', (t) => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:  104      2    0    0    0     0          0         0   104       2    0    0
pout-00000001:123456789012 2    0    0    0     0          0         0   104       2    0    0
`
  t.deepEqual([...namesOf(text)], ['lo', 'pout-00000001'])
})
