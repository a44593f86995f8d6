import type { Connection, ConnectionTuple } from '../netlink/index.ts'

/** Entries that are the way back of ended ones, begun since: an answer that was on its way when the
 *  entry went counts as a flow of its own, and would let the refused one go on as its return
 *  traffic. TCP is left out: its flows begin with SYN. Pure. */
export function reopened(
  ended: readonly Connection[],
  now: readonly Connection[],
): readonly Connection[] {
  const TCP = 6
  const ways = new Set(
    ended
      .filter(({ original }) => original.protocol !== TCP)
      .map(({ zone, reply }) => wayText(zone, reply)),
  )
  return now.filter(({ zone, original }) => ways.has(wayText(zone, original)))
}

function wayText(zone: number, way: ConnectionTuple): string {
  const { family, source, destination, protocol, sourcePort = '', destinationPort = '' } = way
  const id = way.icmp?.id ?? ''
  return [zone, family, source, destination, protocol, sourcePort, destinationPort, id].join(' ')
}
