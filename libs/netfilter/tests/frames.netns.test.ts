import { parseAddress } from '@purlin/base'
import test from 'ava'
import { Compiler } from '../src/compile/compiler.ts'
import { flatten } from '../src/flatten.ts'
import { interpret } from '../src/interpret.ts'
import { hasPorts, type Packet } from '../src/packet.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../src/policy/desired.ts'
import { Generator } from '../src/testing/generator.ts'
import { type Boundaries, boundariesOf, randomPacket } from '../src/testing/random-packet.ts'
import { randomDesired } from '../src/testing/random-policy.ts'
import { sampleNic } from '../src/testing/sample.ts'
import { beginsFlow } from './support/begins-flow.ts'
import { enforce, newDriver } from './support/enforce.ts'
import { type Ends, endFrame, frameOf, tagOf } from './support/frames.ts'
import { host, type Lab, startLab } from './support/lab.ts'
import { openWire, type Wire } from './support/wire.ts'

const LETTERS = ['a', 'b', 'c', 'd'] as const
const ROUNDS = 32
const FRAMES_A_BATCH = 100
const STRANGER_MAC = '52:54:00:00:01:01'
const calm = new AbortController().signal
const seed = Number(process.env.PURLIN_SEED ?? 20_261)

/** A NIC's two ends: the machine's device and the switch's side of its cable. */
interface Line {
  readonly machine: Wire
  readonly cable: Wire
}

let lab: Lab
const lines = new Map<string, Line>()
let ends = 0

test.before(async () => {
  lab = await startLab([])
  // What the kernel cannot know of a first packet is left out: checksums of the transport.
  await host('sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=0')
  for (const letter of LETTERS) {
    const silent = { ...sampleNic(letter, []), ipv4: [], ipv6: [] }
    const machine = await lab.add(silent)
    await machine.command('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1')
    // Without the switch nothing that leaves one machine comes to another.
    await host('ip', 'link', 'set', `pout-${letter}`, 'nomaster')
    lines.set(letter, {
      machine: openWire('eth0', machine.namespace),
      cable: openWire(`pout-${letter}`),
    })
  }
})

test.after.always(async () => {
  for (const { machine, cable } of lines.values()) {
    await machine.stop()
    await cable.stop()
  }
  await lab.stop()
})

/** A random policy on the lab's NICs. */
function policy(random: Generator): NetfilterDesired {
  const drawn = randomDesired(random)
  const nics = LETTERS.map((letter, index): FilteredNic => {
    const own = sampleNic(letter, drawn.nics[index]?.groups ?? [])
    const { port, tap, inner, zone, mac, ipv4, ipv6 } = own
    return { ...own, ...drawn.nics[index], port, tap, inner, zone, mac, ipv4, ipv6 }
  })
  return { ...drawn, nics }
}

interface Sent {
  readonly packet: Packet
  readonly expected: boolean
}

/** A packet from or to a NIC that its guards let pass, under a source port of its own. */
function packetFor(
  nic: FilteredNic,
  direction: Direction,
  random: Generator,
  at: Boundaries,
  tag: number,
): Packet | undefined {
  const { state: _, ...drawn } = randomPacket(random, at)
  const own = parseAddress(nic[drawn.family][0] ?? '')?.value ?? 0n
  const other = direction === 'inbound' ? drawn.source : drawn.destination
  if (other === own || isGuarded(drawn)) return undefined
  return {
    ...drawn,
    source: direction === 'inbound' ? other : own,
    destination: direction === 'inbound' ? own : other,
    sourcePort: drawn.sourcePort === undefined ? undefined : 1024 + tag,
  }
}

/** What the guards may stop, and what cannot be written as a frame. */
function isGuarded({ protocol, icmp, destinationPort, family }: Packet): boolean {
  if (icmp === undefined && (protocol === 1 || protocol === 58)) return true
  if (hasPorts(protocol) && destinationPort === undefined) return true
  if (icmp !== undefined && family === 'ipv6' && icmp.type >= 134 && icmp.type <= 137) return true
  return destinationPort === 68 || destinationPort === 546
}

/** Sends packets one way and answers the tags of those that came out. */
async function passed(
  nic: FilteredNic,
  direction: Direction,
  packets: ReadonlyMap<number, Sent>,
): Promise<ReadonlySet<number>> {
  const line = lines.get(nic.port.slice(0, 1))
  if (line === undefined) throw new Error(`no line of ${nic.port}`)
  const [from, to] =
    direction === 'inbound' ? [line.cable, line.machine] : [line.machine, line.cable]
  const macs: Ends =
    direction === 'inbound'
      ? { sourceMac: STRANGER_MAC, destinationMac: nic.mac }
      : { sourceMac: nic.mac, destinationMac: STRANGER_MAC }
  const seen = new Set<number>()
  const frames = [...packets].map(([tag, { packet }]) => frameOf(packet, macs, tag))
  const last = ++ends
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(
      () => reject(new Error(`${nic.port} ${direction}: the end did not come`)),
      10_000,
    )
    const repeat = setInterval(() => from.send([endFrame(macs, last)]), 500)
    to.onFrame = (frame) => {
      const found = tagOf(frame)
      if (found === undefined) return
      if (found.family !== 'end') seen.add(found.tag)
      else if (found.tag === last) {
        clearTimeout(deadline)
        clearInterval(repeat)
        // Another processor may still be at work on a frame sent before.
        setTimeout(resolve, 20)
      }
    }
    from.send([...frames, endFrame(macs, last)])
  })
  return seen
}

test.serial('in both forms the kernel lets through what the interpreter allows', async (t) => {
  t.timeout(240_000)
  const random = new Generator(seed)
  const forms = (['linear', 'identity'] as const).map((form) =>
    newDriver({ compiler: new Compiler({ form }) }),
  )
  let frames = 0
  let ownMaps = 0
  let allowed = 0
  const byProtocol = new Map<string, number>()
  const differences: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const desired = policy(random)
    const driver = forms[round % forms.length]
    if (driver !== undefined) await enforce(driver, desired)
    const { sets } = await newDriver().observe(calm)
    ownMaps += [...sets.keys()].filter((key) => key.startsWith('inet/list-')).length
    const at = boundariesOf(desired)
    for (const direction of ['inbound', 'outbound'] as const) {
      // An answer to what passed the other way would pass as such.
      await host('conntrack', '-F')
      await Promise.all(
        desired.nics.map(async (nic) => {
          const list = flatten(nic, direction, desired)
          const batch = new Map<number, Sent>()
          for (let tag = 1; batch.size < FRAMES_A_BATCH; tag++) {
            const packet = packetFor(nic, direction, random, at, tag)
            if (packet === undefined) continue
            const expected =
              !nic.filtered || (beginsFlow(packet) && interpret(list, packet) === 'allow')
            batch.set(tag, { packet, expected })
            const kind = `${packet.family} ${packet.protocol}`
            byProtocol.set(kind, (byProtocol.get(kind) ?? 0) + 1)
          }
          const first = await passed(nic, direction, batch)
          // A busy host may lose a frame; what is refused is refused again.
          const lost = [...batch].filter(([tag, { expected }]) => expected && !first.has(tag))
          const again = lost.length === 0 ? [] : await passed(nic, direction, new Map(lost))
          const seen = new Set([...first, ...again])
          frames += batch.size
          for (const [tag, { packet, expected }] of batch) {
            if (expected) allowed++
            if (seen.has(tag) === expected) continue
            differences.push(
              `round ${round} ${nic.port} ${direction} ${textOf(packet)}: ${expected}`,
            )
          }
        }),
      )
    }
  }
  t.log(
    `PURLIN_SEED=${seed}: ${frames} frames, ${allowed} allowed, ${differences.length} differences`,
  )
  t.log(
    [...byProtocol]
      .map(([kind, count]) => `${kind}: ${count}`)
      .toSorted()
      .join(', '),
  )
  t.true(frames >= 20_000)
  t.true(ownMaps > 0, 'lists of the identity form have maps of their own')
  for (const protocol of ['ipv4 1', 'ipv6 58', 'ipv4 6', 'ipv6 17', 'ipv4 132', 'ipv6 47']) {
    t.true((byProtocol.get(protocol) ?? 0) > 100, protocol)
  }
  t.true(allowed > frames / 10 && allowed < (frames * 9) / 10)
  t.deepEqual(differences.slice(0, 10), [], `PURLIN_SEED=${seed} repeats it`)
})

function textOf(packet: Packet): string {
  return JSON.stringify(packet, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  )
}
