import type { NicGuards } from '@purlin/schema'
import test from 'ava'
import type { FilteredNic } from '../src/policy/desired.ts'
import { allGuards } from '../src/policy/filtered-nic.ts'
import { desiredOf, sampleNic } from '../src/testing/sample.ts'
import { arriving, type GuardPath } from './support/guard-path.ts'
import {
  advertisementFrame,
  arpFrame,
  broadcast,
  type Ends,
  icmpFrame,
  multicast,
  protocolFrame,
  redirectFrame,
  routerFrame,
  udpFrame,
} from './support/raw-frames.ts'
import { endMachines, machinesOn, ways } from './support/ways.ts'

const A = {
  mac: '52:54:00:00:00:0a',
  ipv4: '10.9.0.10',
  ipv6: 'fd09::a',
  linkLocal: 'fe80::5054:ff:fe00:a',
}
const B = { mac: '52:54:00:00:00:0b', ipv4: '10.9.0.11', ipv6: 'fd09::b' }
const OTHER_MAC = '52:54:00:00:00:99'
const VIRTUAL_MAC = '00:00:5e:00:01:0a'
const EVERYBODY = 'ff02::1'
const VRRP = 112

/** From a to b, unless said otherwise. */
function aToB(family: 'ipv4' | 'ipv6', change: Partial<Ends> = {}): Ends {
  const [source, destination] = [A[family], B[family]]
  return { sourceMac: A.mac, destinationMac: B.mac, source, destination, ...change }
}

interface Attack {
  readonly guard: keyof NicGuards
  /** What rules of the guard are called. */
  readonly origin: string
  readonly what: string
  readonly frames: readonly string[]
}

const claim = { sourceMac: A.mac, destinationMac: B.mac, senderMac: A.mac, target: B.ipv4 }
const attacks: readonly Attack[] = [
  {
    guard: 'mac',
    origin: 'guard/mac',
    what: 'another MAC',
    frames: [udpFrame(aToB('ipv4', { sourceMac: OTHER_MAC }), 9, 9)],
  },
  {
    guard: 'ipv4Source',
    origin: 'guard/ipv4',
    what: 'another IPv4 source, or none',
    frames: [
      udpFrame(aToB('ipv4', { source: '10.9.0.99' }), 9, 9),
      udpFrame(aToB('ipv4', { source: '0.0.0.0' }), 9, 9),
    ],
  },
  {
    guard: 'ipv6Source',
    origin: 'guard/ipv6',
    what: 'another IPv6 source, global or link-local',
    frames: [
      udpFrame(aToB('ipv6', { source: 'fd09::99' }), 9, 9),
      udpFrame(aToB('ipv6', { source: 'fe80::99' }), 9, 9),
    ],
  },
  {
    guard: 'arp',
    origin: 'guard/arp',
    what: 'ARP of another address, asked, answered or unasked, or of another MAC',
    frames: [
      arpFrame({ ...claim, operation: 'request', sender: '10.9.0.99' }),
      arpFrame({ ...claim, operation: 'reply', sender: '10.9.0.99' }),
      arpFrame({
        ...claim,
        operation: 'reply',
        sender: '10.9.0.99',
        target: '10.9.0.99',
        destinationMac: 'ff:ff:ff:ff:ff:ff',
      }),
      arpFrame({ ...claim, operation: 'reply', sender: A.ipv4, senderMac: OTHER_MAC }),
    ],
  },
  {
    guard: 'neighbourAdvertisement',
    origin: 'guard/neighbour',
    what: 'a neighbour advertisement of another address, solicited or not',
    frames: [
      advertisementFrame(aToB('ipv6'), 'fd09::99', true),
      advertisementFrame(aToB('ipv6', { source: A.linkLocal }), 'fe80::99', true),
      advertisementFrame(multicast(A.mac, A.ipv6, EVERYBODY), 'fd09::99', false),
    ],
  },
  {
    guard: 'router',
    origin: 'guard/router',
    what: 'a router advertisement or a redirect of either family',
    frames: [
      routerFrame(multicast(A.mac, A.linkLocal, EVERYBODY)),
      routerFrame(aToB('ipv6', { source: A.linkLocal })),
      redirectFrame(aToB('ipv6', { source: A.linkLocal }), 'fd09::99'),
      icmpFrame(aToB('ipv4'), 5, 1, Buffer.alloc(32)),
      icmpFrame(aToB('ipv4'), 9, 0, Buffer.alloc(12)),
    ],
  },
  {
    guard: 'dhcpServer',
    origin: 'guard/dhcp',
    what: 'the answer of a DHCP or DHCPv6 server',
    frames: [
      udpFrame(broadcast(A.mac, A.ipv4), 67, 68),
      udpFrame(aToB('ipv4'), 67, 68),
      udpFrame(aToB('ipv4'), 4011, 68),
      udpFrame(aToB('ipv6', { source: A.linkLocal }), 547, 546),
    ],
  },
]

/** What a machine may always say. */
const honest: readonly string[] = [
  udpFrame(aToB('ipv4'), 9, 9),
  udpFrame(aToB('ipv6'), 9, 9),
  udpFrame(aToB('ipv6', { source: A.linkLocal }), 9, 9),
  arpFrame({ ...claim, operation: 'request', sender: A.ipv4 }),
  arpFrame({ ...claim, operation: 'request', sender: '0.0.0.0' }),
  advertisementFrame(aToB('ipv6'), A.ipv6, true),
  advertisementFrame(aToB('ipv6', { source: A.linkLocal }), A.linkLocal, false),
  udpFrame(broadcast(A.mac, '0.0.0.0'), 68, 67),
]

test.after.always(endMachines)

for (const way of ways) {
  const path = async (): Promise<GuardPath> => await machinesOn(way)
  const enforce = async (change: Partial<FilteredNic>): Promise<void> => {
    const nics = [{ ...sampleNic('a', []), ...change }, sampleNic('b', []), sampleNic('c', [])]
    await (await path()).enforce(desiredOf(nics, {}))
  }
  const all = (frames: readonly string[], value: boolean): boolean[] => frames.map(() => value)

  for (const { guard, origin, what, frames } of attacks) {
    test.serial(`${way}: guard ${guard}: ${what} is dropped and counted`, async (t) => {
      await enforce({})
      const before = await (await path()).dropped(origin)
      t.deepEqual(await arriving(await path(), ['a', 'b'], frames, false), all(frames, false))
      t.is((await (await path()).dropped(origin)) - before, frames.length)
      t.deepEqual(await arriving(await path(), ['a', 'b'], honest, true), all(honest, true))
    })

    test.serial(
      `${way}: guard ${guard} switched off: ${what} comes through, all else does not`,
      async (t) => {
        await enforce({ guards: { ...allGuards, [guard]: false } })
        t.deepEqual(await arriving(await path(), ['a', 'b'], frames, true), all(frames, true))
        const others = attacks.filter((one) => one.guard !== guard)
        for (const other of others) {
          const got = await arriving(await path(), ['a', 'b'], other.frames, false)
          t.deepEqual(got, all(other.frames, false), other.guard)
        }
      },
    )
  }

  test.serial(
    `${way}: no other frame types than IP, IPv6, ARP and RARP pass a guard`,
    async (t) => {
      await enforce({ guards: { ...allGuards, ipv4Source: false } })
      const before = await (await path()).dropped('guard/type')
      const strange = `${B.mac}${A.mac}88cc${'00'.repeat(46)}`.replaceAll(':', '')
      t.deepEqual(await arriving(await path(), ['a', 'b'], [strange], false), [false])
      t.is((await (await path()).dropped('guard/type')) - before, 1)
    },
  )

  test.serial(
    `${way}: allowedAddresses: addresses, networks and MACs pass beside the NIC’s own`,
    async (t) => {
      const virtual = { sourceMac: VIRTUAL_MAC }
      const gratuitous = { operation: 'reply', sender: '10.9.0.100', target: '10.9.0.100' } as const
      const frames = [
        udpFrame(aToB('ipv4', { source: '10.9.0.100' }), 9, 9),
        udpFrame(aToB('ipv4', { source: '10.9.1.77' }), 9, 9),
        udpFrame(aToB('ipv6', { source: 'fd09:1::77' }), 9, 9),
        udpFrame(aToB('ipv4', { ...virtual, source: '10.9.0.100' }), 9, 9),
        arpFrame({ ...claim, ...gratuitous, ...virtual, senderMac: VIRTUAL_MAC }),
        arpFrame({ ...claim, ...gratuitous }),
        advertisementFrame(aToB('ipv6', virtual), 'fd09:1::77', false),
        protocolFrame({ ...multicast(A.mac, A.ipv4, '224.0.0.18'), ...virtual }, VRRP),
      ]
      const refused = [
        udpFrame(aToB('ipv4', { source: '10.9.0.101' }), 9, 9),
        udpFrame(aToB('ipv4', { source: '10.9.2.1' }), 9, 9),
        udpFrame(aToB('ipv6', { source: 'fd09:2::1' }), 9, 9),
        udpFrame(aToB('ipv4', { sourceMac: '00:00:5e:00:01:0b' }), 9, 9),
        arpFrame({ ...claim, ...gratuitous, sender: '10.9.0.101' }),
        advertisementFrame(aToB('ipv6'), 'fd09:2::1', false),
      ]
      const allowedAddresses = ['10.9.0.100', '10.9.1.0/24', 'fd09:1::/64', VIRTUAL_MAC]
      await enforce({ allowedAddresses })
      t.deepEqual(await arriving(await path(), ['a', 'b'], frames, true), all(frames, true))
      t.deepEqual(await arriving(await path(), ['a', 'b'], refused, false), all(refused, false))
      await enforce({})
      t.deepEqual(await arriving(await path(), ['a', 'b'], frames, false), all(frames, false))
    },
  )
}
