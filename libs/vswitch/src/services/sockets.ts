import { formatAddress } from '@purlin/base'
import { readText } from './folder.ts'

/** What the kernel tells of a network namespace through any process in it, without entering. */
export interface NamespaceView {
  /** Addresses of its links, the shortest text each. */
  readonly addresses: ReadonlySet<string>
  /** UDP ports that something listens on. */
  readonly udpPorts: ReadonlySet<number>
}

/** Reads /proc/PID/net of a process. Source: proc(5). */
export async function viewNamespace(processId: number): Promise<NamespaceView> {
  const [trie = '', six = '', udp = '', udp6 = ''] = await Promise.all(
    ['fib_trie', 'if_inet6', 'udp', 'udp6'].map((file) =>
      readText(`/proc/${processId}/net/${file}`),
    ),
  )
  return {
    addresses: new Set([...localIpv4(trie), ...localIpv6(six)]),
    udpPorts: new Set([...udpPorts(udp), ...udpPorts(udp6)]),
  }
}

/** The host's own addresses in `fib_trie`: a leaf followed by `/32 host LOCAL`. */
export function localIpv4(text: string): readonly string[] {
  const found = [...text.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\n\s+\/32 host LOCAL/g)]
  return found.map((match) => match[1] ?? '')
}

/** The addresses of `if_inet6`: 32 digits, then the link's index, prefix, scope, flags and name. */
export function localIpv6(text: string): readonly string[] {
  const found = [...text.matchAll(/^([0-9a-f]{32}) /gm)]
  return found.map((match) => formatAddress({ family: 'ipv6', value: BigInt(`0x${match[1]}`) }))
}

/** Local ports of `/proc/net/udp` or `udp6`. */
export function udpPorts(text: string): readonly number[] {
  const found = [...text.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)]
  return found.map((match) => Number.parseInt(match[1] ?? '0', 16))
}

/** Local ports of which datagrams have arrived that nobody has read, in the same file. */
export function unreadPorts(text: string): readonly number[] {
  const found = [
    ...text.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ \S+ [0-9A-F]{8}:([0-9A-F]{8}) /gm),
  ]
  return found.flatMap(([, port = '0', waiting = '0']) =>
    Number.parseInt(waiting, 16) > 0 ? [Number.parseInt(port, 16)] : [],
  )
}
