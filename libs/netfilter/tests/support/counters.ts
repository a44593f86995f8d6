import { host, NFT, nft } from './lab.ts'

/** Counts UDP packets to ports on a bridge before and after our lists, in a table of its own,
 *  so that what a busy switch loses does not blur the verdicts. */
export async function countAround(bridge: string, ports: readonly number[]): Promise<void> {
  const rules = ports.map((port) => `iifname "${bridge}" udp dport ${port} counter`)
  const chain = (name: string, priority: number): string =>
    [
      `add chain inet count ${name} { type filter hook forward priority ${priority}; }`,
      ...rules.map((rule) => `add rule inet count ${name} ${rule}`),
    ].join('\n')
  await nft(['add table inet count', chain('before', -10), chain('after', 10)].join('\n'))
}

/** Packets counted so far, by port, before and after our lists. */
export async function counted(): Promise<
  ReadonlyMap<number, { readonly before: number; readonly after: number }>
> {
  const read = async (chain: string): Promise<Map<number, number>> => {
    const listing = await host(NFT, 'list', 'chain', 'inet', 'count', chain)
    const lines = listing.matchAll(/udp dport (\d+) counter packets (\d+)/g)
    return new Map([...lines].map(([, port, packets]) => [Number(port), Number(packets)]))
  }
  const [before, after] = [await read('before'), await read('after')]
  return new Map(
    [...before].map(([port, packets]) => [port, { before: packets, after: after.get(port) ?? 0 }]),
  )
}
