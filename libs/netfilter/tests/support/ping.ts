import { parseAddress } from '@purlin/base'
import type { FilteredNic } from '../../src/policy/desired.ts'
import { frameOf, tagOf } from './frames.ts'
import type { LabMachine } from './machine.ts'
import { openWire } from './wire.ts'

type Family = 'ipv4' | 'ipv6'

/** Where type and code of ICMP stand in a frame written in hexadecimal. */
const TYPE_AT = { ipv4: 2 * (14 + 20), ipv6: 2 * (14 + 40) } as const
const REPLY = { ipv4: '00', ipv6: '81' } as const
const REQUEST = { ipv4: 8, ipv6: 128 } as const
const EVERY_MS = 20

/** Echo requests of one flow a family that go on, and how many answers have come. */
export interface Pings {
  readonly answered: Record<Family, number>
  stop(): Promise<void>
}

/** Pings one machine from another until stopped. */
export function startPings(machine: LabMachine, from: FilteredNic, to: FilteredNic): Pings {
  const wire = openWire('eth0', machine.namespace)
  const answered = { ipv4: 0, ipv6: 0 }
  wire.onFrame = (frame) => {
    const family = tagOf(frame)?.family
    if (family === undefined || family === 'end') return
    if (frame.slice(TYPE_AT[family], TYPE_AT[family] + 2) === REPLY[family]) answered[family]++
  }
  const ends = { sourceMac: from.mac, destinationMac: to.mac }
  const frames = (['ipv4', 'ipv6'] as const).map((family) =>
    frameOf(
      {
        family,
        source: parseAddress(from[family][0] ?? '')?.value ?? 0n,
        destination: parseAddress(to[family][0] ?? '')?.value ?? 0n,
        protocol: family === 'ipv4' ? 1 : 58,
        icmp: { type: REQUEST[family], code: 0 },
      },
      ends,
      7,
    ),
  )
  const beat = setInterval(() => wire.send(frames), EVERY_MS)
  return {
    answered,
    stop: async () => {
      clearInterval(beat)
      await wire.stop()
    },
  }
}
