import type { ProbeSize } from './frame.ts'

/** A host that took part in a probe, with the uplinks by which it sent. */
export interface ProbeParty {
  readonly host: string
  readonly uplinks: readonly string[]
}

/** A frame that a host has heard. */
export interface ProbeHeard {
  readonly from: string
  readonly uplink: string
  readonly vlan: number
  readonly size: ProbeSize
  /** The uplink by which it came in. */
  readonly by: string
}

export type PathState = 'reachable' | 'mtu-too-small' | 'dropped'

/** Whether frames of a network come from a host's uplink to another host. */
export interface ProbePath {
  readonly vlan: number
  readonly from: string
  readonly uplink: string
  readonly to: string
  readonly state: PathState
  /** Uplinks of the other host by which they came in. */
  readonly by: readonly string[]
}

/** The matrix of a probe: for each network, each uplink of each host and each other host, what
 *  became of the frames. Pure. */
export function probeMatrix(
  vlans: readonly number[],
  parties: readonly ProbeParty[],
  heardBy: ReadonlyMap<string, readonly ProbeHeard[]>,
): readonly ProbePath[] {
  return vlans.flatMap((vlan) =>
    parties.flatMap((from) =>
      from.uplinks.flatMap((uplink) =>
        parties.flatMap(({ host: to }): ProbePath[] => {
          const isForOther = from.host !== to && !leadsElsewhere(uplink, to)
          if (!isForOther) return []
          const heard = (heardBy.get(to) ?? []).filter(
            (one) => one.vlan === vlan && one.from === from.host && one.uplink === uplink,
          )
          return [{ vlan, from: from.host, uplink, to, ...judged(heard) }]
        }),
      ),
    ),
  )
}

/** The name that a tunnel to a host has among the uplinks. */
export function tunnelTo(host: string): string {
  return `${TUNNEL}${host}`
}

const TUNNEL = 'tunnel to '

function leadsElsewhere(uplink: string, host: string): boolean {
  return uplink.startsWith(TUNNEL) && uplink !== tunnelTo(host)
}

function judged(heard: readonly ProbeHeard[]): Pick<ProbePath, 'state' | 'by'> {
  const full = heard.filter(({ size }) => size === 'full')
  const counted = full.length > 0 ? full : heard
  const by = [...new Set(counted.map((one) => one.by))].toSorted()
  const state = full.length > 0 ? 'reachable' : heard.length > 0 ? 'mtu-too-small' : 'dropped'
  return { state, by }
}

/** Why a network does not reach from one host to another and back, in words; undefined: it does. A
 *  direction is well when any uplink of its host is. Pure. */
export function deadReason(
  paths: readonly ProbePath[],
  { vlan, from, to }: { readonly vlan: number; readonly from: string; readonly to: string },
): string | undefined {
  const reasons = [
    [from, to],
    [to, from],
  ].flatMap(([here = '', there = '']): string[] => {
    const way = paths.filter((one) => {
      return one.vlan === vlan && one.from === here && one.to === there
    })
    if (way.some(({ state }) => state === 'reachable')) return []
    const network = vlan === 0 ? 'untagged frames' : `frames of VLAN ${vlan}`
    if (way.length === 0) return [`${here} has no uplink that leads to ${there}`]
    const uplinks = way.map(({ uplink }) => uplink).join(', ')
    const small = way.some(({ state }) => state === 'mtu-too-small')
    return [
      small
        ? `${network} from ${here} (${uplinks}) reach ${there} only when they are small: the MTU on the way is less than the switch's`
        : `${network} from ${here} (${uplinks}) do not reach ${there}`,
    ]
  })
  return reasons.length === 0 ? undefined : reasons.join('; ')
}
