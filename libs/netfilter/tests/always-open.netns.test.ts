import type { AlwaysOpen } from '@purlin/schema'
import test from 'ava'
import type { FilteredNic } from '../src/policy/desired.ts'
import { allGuards, allOpen } from '../src/policy/filtered-nic.ts'
import { desiredOf, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { arriving, type GuardPath } from './support/guard-path.ts'
import {
  advertisementFrame,
  arpFrame,
  broadcast,
  type Ends,
  icmpFrame,
  multicast,
  protocolFrame,
  routerFrame,
  solicitationFrame,
  udpFrame,
  unreachableFrame,
} from './support/raw-frames.ts'
import { endMachines, machinesOn, ways } from './support/ways.ts'

const B = {
  mac: '52:54:00:00:00:0b',
  ipv4: '10.9.0.11',
  ipv6: 'fd09::b',
  linkLocal: 'fe80::5054:ff:fe00:b',
}
/** Machine c speaks as the port group's server, or as a neighbour who would like to be it. */
const C = { mac: '52:54:00:00:00:0c', ipv4: '10.9.0.12', ipv6: 'fd09::c' }
const SERVER = { ipv4: '10.9.0.1', linkLocal: 'fe80::1' }
const ROGUE = { ipv4: '10.9.0.66', linkLocal: 'fe80::66' }
const EVERYBODY = 'ff02::1'
const IGMP = 2
const VRRP = 112
const LISTENER_REPORT = 143

const noGuards = Object.fromEntries(
  Object.keys(allGuards).map((name) => [name, false]),
) as unknown as typeof allGuards
const servers = [SERVER.ipv4, SERVER.linkLocal].map((address) => ({ mac: C.mac, address }))

function cToB(source: string, destination: string): Ends {
  return { sourceMac: C.mac, destinationMac: B.mac, source, destination }
}

function bToC(source: string, destination: string): Ends {
  return { sourceMac: B.mac, destinationMac: C.mac, source, destination }
}

/** What passes by itself, and by which switch. */
interface Opening {
  readonly name: keyof AlwaysOpen
  readonly ends: readonly [string, string]
  readonly frames: readonly string[]
  /** The like of them that never passes by itself. */
  readonly refused: readonly string[]
}

const openings: readonly Opening[] = [
  {
    name: 'dhcpRequests',
    ends: ['b', 'c'],
    frames: [
      udpFrame(broadcast(B.mac, '0.0.0.0'), 68, 67),
      udpFrame(multicast(B.mac, B.linkLocal, 'ff02::1:2'), 546, 547),
    ],
    refused: [udpFrame(bToC(B.ipv4, C.ipv4), 9, 67), udpFrame(bToC(B.ipv4, C.ipv4), 9, 53)],
  },
  {
    name: 'dhcpAnswers',
    ends: ['c', 'b'],
    frames: [
      udpFrame(broadcast(C.mac, SERVER.ipv4), 67, 68),
      udpFrame(cToB(SERVER.ipv4, B.ipv4), 67, 68),
      udpFrame(cToB(SERVER.linkLocal, B.linkLocal), 547, 546),
    ],
    refused: [
      udpFrame(broadcast(C.mac, ROGUE.ipv4), 67, 68),
      udpFrame(cToB(ROGUE.ipv4, B.ipv4), 67, 68),
      udpFrame(cToB(ROGUE.linkLocal, B.linkLocal), 547, 546),
      udpFrame(cToB(SERVER.ipv4, B.ipv4), 67, 69),
    ],
  },
  {
    name: 'routerAdvertisements',
    ends: ['c', 'b'],
    frames: [
      routerFrame(multicast(C.mac, SERVER.linkLocal, EVERYBODY)),
      routerFrame(cToB(SERVER.linkLocal, B.linkLocal)),
    ],
    refused: [
      routerFrame(multicast(C.mac, ROGUE.linkLocal, EVERYBODY)),
      routerFrame(cToB(ROGUE.linkLocal, B.linkLocal)),
    ],
  },
  {
    name: 'neighbourDiscovery',
    ends: ['c', 'b'],
    frames: [
      solicitationFrame(multicast(C.mac, C.ipv6, 'ff02::1:ff00:b'), B.ipv6),
      advertisementFrame(cToB(C.ipv6, B.ipv6), C.ipv6, true),
      icmpFrame(multicast(C.mac, C.ipv6, 'ff02::2'), 133, 0, Buffer.alloc(4)),
    ],
    refused: [icmpFrame(cToB(C.ipv6, B.ipv6), 128, 0, Buffer.alloc(4))],
  },
  {
    name: 'neighbourDiscovery',
    ends: ['b', 'c'],
    frames: [
      solicitationFrame(multicast(B.mac, B.ipv6, 'ff02::1:ff00:c'), C.ipv6),
      advertisementFrame(bToC(B.ipv6, C.ipv6), B.ipv6, true),
    ],
    refused: [icmpFrame(bToC(B.ipv6, C.ipv6), 128, 0, Buffer.alloc(4))],
  },
]

test.after.always(endMachines)

for (const way of ways) {
  const path = async (): Promise<GuardPath> => await machinesOn(way)
  const all = (frames: readonly string[], value: boolean): boolean[] => frames.map(() => value)
  const enforce = async (
    change: Partial<FilteredNic>,
    group: Parameters<typeof sampleGroup>[0] = {},
  ): Promise<void> => {
    const shut = { inbound: 'deny', outbound: 'deny' } as const
    const b = { ...sampleNic('b', ['web']), servers, defaultPolicy: shut, ...change }
    const c = { ...sampleNic('c', []), guards: noGuards }
    const groups = { web: sampleGroup({ allowWithinGroup: false, ...group }) }
    await (await path()).enforce(desiredOf([sampleNic('a', []), b, c], groups))
  }

  for (const { name, ends, frames, refused } of openings) {
    test.serial(
      `${way}: alwaysOpen.${name}, ${ends.join(' to ')}: passes every list, and the like does not`,
      async (t) => {
        await enforce({})
        t.deepEqual(await arriving(await path(), ends, frames, true), all(frames, true))
        t.deepEqual(await arriving(await path(), ends, refused, false), all(refused, false))
        await enforce({ alwaysOpen: { ...allOpen, [name]: false } })
        t.deepEqual(
          await arriving(await path(), ends, frames, false),
          all(frames, false),
          'switched off',
        )
      },
    )
  }

  test.serial(
    `${way}: alwaysOpen.icmpErrors: an error about an allowed flow comes back, no other`,
    async (t) => {
      const said = [
        udpFrame(bToC(B.ipv4, C.ipv4), 7_001, 99),
        udpFrame(bToC(B.ipv6, C.ipv6), 7_001, 99),
      ]
      const unsaid = [
        udpFrame(bToC(B.ipv4, C.ipv4), 7_002, 99),
        udpFrame(bToC(B.ipv6, C.ipv6), 7_002, 99),
      ]
      const errorsAbout = ([ipv4 = '', ipv6 = '']: readonly string[]): string[] => [
        unreachableFrame(cToB(C.ipv4, B.ipv4), ipv4),
        unreachableFrame(cToB(C.ipv6, B.ipv6), ipv6),
      ]
      const open = { defaultPolicy: { inbound: 'deny', outbound: 'allow' } } as const
      await enforce(open)
      t.deepEqual(await arriving(await path(), ['b', 'c'], said, true), [true, true])
      t.deepEqual(await arriving(await path(), ['c', 'b'], errorsAbout(said), true), [true, true])
      t.deepEqual(await arriving(await path(), ['c', 'b'], errorsAbout(unsaid), false), [
        false,
        false,
      ])
      await enforce({ ...open, alwaysOpen: { ...allOpen, icmpErrors: false } })
      const again = await arriving(await path(), ['c', 'b'], errorsAbout(said), false)
      t.deepEqual(again, [false, false], 'switched off')
    },
  )

  test.serial(
    `${way}: IGMP, VRRP and multicast listeners follow the lists by their numbers`,
    async (t) => {
      const frames = [
        protocolFrame(multicast(C.mac, C.ipv4, '224.0.0.22'), IGMP),
        protocolFrame(multicast(C.mac, C.ipv4, '224.0.0.18'), VRRP),
        icmpFrame(multicast(C.mac, 'fe80::c', 'ff02::16'), LISTENER_REPORT, 0, Buffer.alloc(4)),
      ]
      await enforce({})
      t.deepEqual(await arriving(await path(), ['c', 'b'], frames, false), all(frames, false))
      const rules = [
        { family: 'ipv4', protocol: IGMP, action: 'allow' },
        { family: 'ipv4', protocol: VRRP, action: 'allow' },
        { family: 'ipv6', protocol: 'icmp', icmp: { type: LISTENER_REPORT }, action: 'allow' },
      ]
      for (const [index, rule] of rules.entries()) {
        await enforce({}, { inbound: [rule] })
        const own = frames.map((_, place) => place === index)
        const [first] = await arriving(await path(), ['c', 'b'], [frames[index] ?? ''], true)
        t.true(first)
        t.deepEqual(await arriving(await path(), ['c', 'b'], frames, false), own)
      }
    },
  )

  test.serial(
    `${way}: a NIC without groups that is closed passes nothing but what is always open`,
    async (t) => {
      await enforce({ groups: [], filtered: true })
      const inward = [udpFrame(cToB(C.ipv4, B.ipv4), 9, 9), udpFrame(cToB(C.ipv6, B.ipv6), 9, 9)]
      const outward = [udpFrame(bToC(B.ipv4, C.ipv4), 9, 9), udpFrame(bToC(B.ipv6, C.ipv6), 9, 9)]
      const open = [
        arpFrame({
          operation: 'request',
          sourceMac: B.mac,
          senderMac: B.mac,
          sender: B.ipv4,
          destinationMac: C.mac,
          target: C.ipv4,
        }),
        udpFrame(broadcast(B.mac, '0.0.0.0'), 68, 67),
      ]
      t.deepEqual(await arriving(await path(), ['c', 'b'], inward, false), [false, false])
      t.deepEqual(await arriving(await path(), ['b', 'c'], outward, false), [false, false])
      t.deepEqual(await arriving(await path(), ['b', 'c'], open, true), [true, true])
      await enforce({ groups: [], filtered: false })
      t.deepEqual(await arriving(await path(), ['c', 'b'], inward, true), [true, true])
      t.deepEqual(await arriving(await path(), ['b', 'c'], outward, true), [true, true])
    },
  )
}
