import type { Packet } from '../../src/packet.ts'

/** ICMP messages that ask for an answer: with them a flow may begin. */
const questions: Readonly<Record<'ipv4' | 'ipv6', readonly number[]>> = {
  ipv4: [8, 13, 15, 17],
  ipv6: [128, 139],
}
/** ICMPv6 messages that connection tracking leaves alone: listeners and neighbours. */
const untracked: readonly number[] = [130, 131, 132, 133, 134, 135, 136, 143]

/** Whether connection tracking takes the packet for the first of a flow, and not for an answer or
 *  an error out of nowhere, which is dropped before any list is asked. */
export function beginsFlow({ family, icmp }: Packet): boolean {
  if (icmp === undefined) return true
  if (family === 'ipv6' && untracked.includes(icmp.type)) return true
  return questions[family].includes(icmp.type)
}
