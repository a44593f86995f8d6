import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Run, run, systemClock } from '@purlin/base'
import type { PacketExplanation, PacketQuestion } from '@purlin/schema'
import test from 'ava'
import { Compiler } from '../src/compile/compiler.ts'
import { explainPacketLive } from '../src/live/explain-live.ts'
import { readPacket } from '../src/netlink/headers.ts'
import type { Packet } from '../src/packet.ts'
import { protocolNumbers } from '../src/policy/protocol.ts'
import { desiredOf, sampleDesired, sampleGroups, sampleNic } from '../src/testing/sample.ts'
import { enforce, newDriver, planned } from './support/enforce.ts'
import { eventually } from './support/eventually.ts'
import { endFrame } from './support/frames.ts'
import { host, type Lab, NFT, nft, startLab } from './support/lab.ts'
import { openWire, type Wire } from './support/wire.ts'

const calm = new AbortController().signal
const forms = ['linear', 'identity'] as const
const driverOf = (form: (typeof forms)[number]) => newDriver({ compiler: new Compiler({ form }) })

let lab: Lab
/** By machine: what its own end sees come in, and what the switch sees come from it. */
const wires = new Map<string, { readonly machine: Wire; readonly cable: Wire }>()

test.before(async () => {
  lab = await startLab(sampleDesired.nics)
  for (const [letter, { namespace }] of lab.machines) {
    const wire = { machine: openWire('eth0', namespace), cable: openWire(`pout-${letter}`) }
    wires.set(letter, wire)
  }
})

test.beforeEach(async () => {
  await host('conntrack', '-F')
})

test.after.always(async () => {
  for (const { machine, cable } of wires.values()) await Promise.all([machine.stop(), cable.stop()])
  await lab.stop()
})

async function live(
  question: PacketQuestion,
  { through = run, signal = calm }: { readonly through?: Run; readonly signal?: AbortSignal } = {},
): Promise<PacketExplanation> {
  return await explainPacketLive(sampleDesired, question, {
    clock: systemClock,
    run: through,
    signal,
  })
}

/** What of a probe is there. */
async function remains(): Promise<readonly string[]> {
  const [tables, links, queues, connections] = [
    await host(NFT, 'list', 'tables'),
    await host('ip', '-br', 'link'),
    await host('tc', 'qdisc'),
    await host('conntrack', '-L'),
  ]
  return [
    ...tables.split('\n').filter((line) => line.includes('purlin-live')),
    ...links.split('\n').filter((line) => line.startsWith('plive')),
    ...queues.split('\n').filter((line) => line.includes('clsact')),
    ...connections.split('\n').filter((line) => line.includes('src=')),
  ]
}

/** What each end's answer is held against: who decided, as the kernel and as the list says. */
function told({ ends, live: whole }: PacketExplanation): unknown {
  const shown = ends.map((end) => {
    if (end.live?.traced !== true) return `${end.direction}: ${end.live?.reason}`
    const { verdict, decidedBy, agrees } = end.live
    const rule = decidedBy.rule?.replace(/\/[0-9a-f]{8}$/, '')
    return `${end.direction} ${verdict} by ${decidedBy.table} ${rule}, ${agrees ? 'as meant' : `not ${end.verdict}`}`
  })
  return { shown, outcome: whole?.outcome }
}

const outbound = 'outbound allow by inet purlin default, as meant'
const open = 'outbound allow by inet purlin base/not-filtered, as meant'
const allowed: readonly (readonly [Omit<PacketQuestion, 'family'>, readonly string[]])[] = [
  [
    { from: 'c', to: 'b', protocol: 'tcp', destinationPort: 80 },
    [open, 'inbound allow by inet purlin web/inbound/0, as meant'],
  ],
  [
    { from: 'a', to: 'b', protocol: 'tcp', destinationPort: 22 },
    [outbound, 'inbound allow by inet purlin ops/inbound/0, as meant'],
  ],
  [
    { from: 'a', to: 'b', protocol: 'udp', destinationPort: 5353, sourcePort: 1234 },
    [outbound, 'inbound allow by inet purlin web/inbound/6, as meant'],
  ],
]
const members = 'inbound allow by inet purlin web/members, as meant'
const others = ['udp', 'icmp', 'sctp', 47] as const

for (const form of forms) {
  for (const family of ['ipv4', 'ipv6'] as const) {
    test.serial(
      `${form}, ${family}: the kernel lets an allowed packet pass by the rule that is meant, and nobody gets it`,
      async (t) => {
        await enforce(driverOf(form), sampleDesired)
        const seen = watchAll()
        for (const [question, expected] of allowed) {
          const shown = family === 'ipv6' ? expected.map(toIpv6) : expected
          t.deepEqual(told(await live({ ...question, family })), { shown, outcome: 'agrees' })
        }
        for (const protocol of others) {
          const ports =
            typeof protocol === 'number' || protocol === 'icmp' ? {} : { destinationPort: 7 }
          const answer = await live({ from: 'd', to: 'b', family, protocol, ...ports })
          t.deepEqual(told(answer), {
            shown: ['outbound allow by inet purlin web/members, as meant', members],
            outcome: 'agrees',
          })
        }
        await settle()
        t.deepEqual(seen(), [])
        t.deepEqual(await remains(), [])
        // A packet of that sort that a machine sends itself is seen on its whole way.
        const address = family === 'ipv4' ? '10.9.0.11' : 'fd09::b'
        t.true(await eventually(() => lab.machine('c').udp(address, 5353)))
        t.true(await until(() => seen().length >= 4))
      },
    )

    test.serial(
      `${form}, ${family}: a refused packet is dropped by the rule that is meant`,
      async (t) => {
        await enforce(driverOf(form), sampleDesired)
        const denied = (rule: string) => ({
          shown: [open, `inbound deny by inet purlin ${rule}, as meant`],
          outcome: 'agrees',
        })
        const asked = { from: 'c', to: 'b', family } as const
        const rule = family === 'ipv4' ? 'web/inbound/2' : 'web/inbound/3'
        t.deepEqual(
          told(await live({ ...asked, protocol: 'tcp', destinationPort: 1500 })),
          denied(rule),
        )
        for (const protocol of ['icmp', 47] as const) {
          t.deepEqual(told(await live({ ...asked, protocol })), denied('default'))
        }
        for (const protocol of ['udp', 'sctp'] as const) {
          t.deepEqual(
            told(await live({ ...asked, protocol, destinationPort: 9 })),
            denied('default'),
          )
        }
        t.deepEqual(await remains(), [])
      },
    )
  }
}

/** Of two rules that differ only in family the second is for IPv6. */
function toIpv6(text: string): string {
  return text.replace(/inbound\/(\d)/, (_, number: string) => `inbound/${Number(number) + 1}`)
}

/** Gathers what comes to machines and to the switch; gives what is of the sample's addresses. */
function watchAll(): () => readonly string[] {
  const frames: string[] = []
  for (const { machine, cable } of wires.values()) {
    machine.onFrame = (frame) => frames.push(frame)
    cable.onFrame = (frame) => frames.push(frame)
  }
  return () =>
    frames.filter((frame) => {
      const packet = readPacket(Buffer.from(frame, 'hex').subarray(14))
      return packet !== undefined && isOfSample(packet.source) && isAsked(packet)
    })
}

function isOfSample(source: bigint): boolean {
  return source >> 8n === 0x0a0900n || source >> 112n === 0xfd09n
}

/** The machines themselves look for their neighbours. */
function isAsked({ protocol, icmp }: Packet): boolean {
  return protocol !== protocolNumbers.icmpv6 || icmp?.type === 128
}

/** Waits until it holds, at most ten seconds. */
async function until(holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 200 && !holds(); tries++) await systemClock.sleep(50)
  return holds()
}

let numbers = 0

/** Waits until a frame that was sent behind all others has come everywhere. */
async function settle(): Promise<void> {
  for (const [from, to] of [
    ['c', 'b'],
    ['a', 'b'],
    ['d', 'b'],
  ] as const) {
    const macs = { sourceMac: sampleNic(from, []).mac, destinationMac: sampleNic(to, []).mac }
    const last = endFrame(macs, ++numbers)
    const places = [wires.get(from)?.cable, wires.get(to)?.machine]
    const come = places.map(
      (wire) =>
        new Promise<void>((resolve) => {
          if (wire === undefined) throw new Error('no wire')
          const before = wire.onFrame
          wire.onFrame = (frame) => {
            before(frame)
            if (frame === last) resolve()
          }
        }),
    )
    const repeat = setInterval(() => wires.get(from)?.machine.send([last]), 100)
    await Promise.all(come)
    clearInterval(repeat)
  }
}

test.serial(
  'packets to everybody and to groups are dropped before the host and every port, too',
  async (t) => {
    await enforce(newDriver(), sampleDesired)
    const seen = watchAll()
    const one = (rule: string) => ({
      shown: [`outbound allow by inet purlin ${rule}, as meant`],
      outcome: 'agrees',
    })
    const group = { from: 'd', to: '224.0.0.18', protocol: 112 } as const
    t.deepEqual(told(await live(group)), one('default'))
    t.deepEqual(told(await live({ ...group, to: 'ff02::12' })), one('default'))
    const dhcp = { protocol: 'udp', sourcePort: 68, destinationPort: 67 } as const
    const everybody = { from: 'd', to: '255.255.255.255', ...dhcp }
    t.deepEqual(told(await live(everybody)), one('open/dhcp-request'))
    const neighbour = { from: 'd', to: 'fd09::b', protocol: 'icmp' } as const
    for (const icmpType of [135, 136]) {
      const answer = await live({ ...neighbour, icmpType })
      t.deepEqual(told(answer), {
        shown: ['outbound', 'inbound'].map(
          (direction) => `${direction} allow by inet purlin open/neighbour-discovery, as meant`,
        ),
        outcome: 'agrees',
      })
    }
    await settle()
    t.deepEqual(seen(), [])
    t.deepEqual(await remains(), [])
  },
)

test.serial('a guard that drops what the list allows is told', async (t) => {
  await enforce(newDriver(), sampleDesired)
  const ports = { sourcePort: 67, destinationPort: 9 } as const
  const answer = await live({ from: 'd', to: '198.51.100.1', protocol: 'udp', ...ports })
  t.deepEqual(told(answer), {
    shown: ['outbound deny by bridge purlin guard/dhcp-server, not allow'],
    outcome: 'disagrees',
  })
})

test.serial('what somebody has put into the kernel is told as a disagreement', async (t) => {
  const driver = driverOf('linear')
  await enforce(driver, sampleDesired)
  const asked = { from: 'c', to: 'b', protocol: 'tcp' } as const
  await nft('insert rule inet purlin base-filter tcp dport 80 drop comment "by hand"')
  t.deepEqual(told(await live({ ...asked, destinationPort: 80 })), {
    shown: [
      'outbound deny by inet purlin by hand, not allow',
      'inbound deny by inet purlin by hand, not allow',
    ],
    outcome: 'disagrees',
  })
  await nft('insert rule inet purlin base-filter tcp dport 1500 accept comment "a hole"')
  t.deepEqual(told(await live({ ...asked, destinationPort: 1500 })), {
    shown: [
      'outbound allow by inet purlin a hole, not allow',
      'inbound allow by inet purlin a hole, not deny',
    ],
    outcome: 'disagrees',
  })
  await enforce(newDriver(), sampleDesired)
  await nft('add table ip docker')
  await nft('add chain ip docker forward { type filter hook forward priority 10; }')
  await nft('add rule ip docker forward tcp dport 80 drop')
  const answer = await live({ ...asked, destinationPort: 80 })
  t.is(answer.live?.outcome, 'disagrees')
  const [, inbound] = answer.ends
  t.like(inbound?.live, {
    verdict: 'deny',
    agrees: false,
    decidedBy: { table: 'ip docker', chain: 'forward' },
  })
  t.regex((inbound?.live?.traced === true && inbound.live.decidedBy.rule) || '', /^handle \d+$/)
  await nft('delete table ip docker')
  t.is((await live({ ...asked, destinationPort: 80 })).live?.outcome, 'agrees')
})

test.serial('the lane sees nothing of a probe, and goes on beside it', async (t) => {
  const driver = newDriver()
  await enforce(driver, sampleDesired)
  const changes: string[] = []
  const ending = new AbortController()
  driver.watch((reason) => changes.push(reason), ending.signal)
  await driver.observe(calm)
  const question = { from: 'c', to: 'b', protocol: 'tcp', destinationPort: 80 } as const
  let asking = true
  const asked = (async () => {
    const outcomes = new Set<string | undefined>()
    while (asking) outcomes.add((await live(question)).live?.outcome)
    return outcomes
  })()
  const { web, ops } = sampleGroups
  if (web === undefined || ops === undefined) throw new Error('the sample has these groups')
  const closed = desiredOf(sampleDesired.nics, { web, ops: { ...ops, inbound: [] } })
  for (let round = 0; round < 20; round++) {
    const wanted = round % 2 === 0 ? closed : sampleDesired
    t.not((await enforce(driver, wanted)).length, 0)
    t.deepEqual(await planned(driver, wanted), [])
  }
  asking = false
  // Where the rules that it met are gone each time it looks, it says that it could not tell.
  t.false((await asked).has('disagrees'))
  t.is((await live(question)).live?.outcome, 'agrees')
  ending.abort()
  t.deepEqual(changes, [])
})

test.serial(
  'a NIC whose way does not stand is told as not traced, and nothing is left',
  async (t) => {
    await enforce(newDriver(), sampleDesired)
    const gone = desiredOf([...sampleDesired.nics, sampleNic('e', ['web'])], sampleGroups)
    const options = { clock: systemClock, run, signal: calm }
    const question = { from: '203.0.113.9', to: 'e', protocol: 'tcp', destinationPort: 80 } as const
    const answer = await explainPacketLive(gone, question, options)
    t.is(answer.live?.outcome, 'untraced')
    t.deepEqual(
      answer.live?.untraced.map(({ end }) => end),
      ['203.0.113.9', 'e/eth0 inbound'],
    )
    t.regex(answer.live?.untraced[1]?.reason ?? '', /frames cannot be handed to pin-e/)
    await host('ip', 'link', 'set', 'ptap-b', 'down')
    const down = await live({ from: 'c', to: 'b', protocol: 'tcp', destinationPort: 80 })
    await host('ip', 'link', 'set', 'ptap-b', 'up')
    t.like(down.live, { outcome: 'untraced' })
    t.regex(down.live?.untraced[0]?.reason ?? '', /its machine does not run/)
    t.deepEqual(await remains(), [])
  },
)

test.serial('what cannot be sent is refused', async (t) => {
  const asked = { from: 'c', to: 'b', protocol: 'tcp' } as const
  await t.throwsAsync(live({ ...asked, destinationPort: 80, state: 'established' }), {
    code: 'PUR_INVALID',
    message: /^state: /,
  })
  await t.throwsAsync(live(asked), { code: 'PUR_INVALID', message: /^destinationPort: / })
})

test.serial('a caller that goes away leaves nothing, and a failing program neither', async (t) => {
  await enforce(newDriver(), sampleDesired)
  const question = { from: 'c', to: 'b', protocol: 'udp', destinationPort: 5353 } as const
  const leaving = new AbortController()
  const through: Run = async (program, args, options) => {
    const outcome = await run(program, args, options)
    if (program === 'tc') leaving.abort()
    return outcome
  }
  await t.throwsAsync(live(question, { through, signal: leaving.signal }))
  t.deepEqual(await remains(), [])
  const failing: Run = async (program, args, options) =>
    await run(program === 'tc' ? 'false' : program, program === 'tc' ? [] : args, options)
  const answer = await live(question, { through: failing })
  t.is(answer.live?.outcome, 'untraced')
  t.deepEqual(await remains(), [])
})

test.serial('kill -9 in the middle leaves nothing', async (t) => {
  await enforce(newDriver(), sampleDesired)
  const file = fileURLToPath(new URL('support/live-for-ever.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=purlin-source', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  t.is((await remains()).length, 3)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.deepEqual(await remains(), [])
})
