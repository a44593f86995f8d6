/** One line of `nft monitor trace` (nft(8)), taken apart. */
export interface TraceLine {
  /** `inet purlin-router` */
  readonly table: string
  readonly chain: string
  /** The packet as it came to the chain, a rule that matched, or the end of the chain. */
  readonly sort: 'packet' | 'rule' | 'end'
  /** The packet, or the rule; empty at the end of a chain. */
  readonly text: string
  /** `drop`, `accept`, `continue` …; empty for a packet. */
  readonly verdict: string
}

/** What became of a packet in one namespace. */
export interface HopJudgement {
  /** passed: it left by `device`; taken: it was for the namespace itself; lost: it came in and no
   *  rule dropped it, so there was no way on; unseen: it did not come in. */
  readonly outcome: 'passed' | 'dropped' | 'taken' | 'lost' | 'unseen'
  /** Where it was dropped: table, chain and rule. */
  readonly by?: string
  readonly device?: string
  /** From what to what, as it left. */
  readonly packet?: string
}

/** The table of a crossing, and its chains. */
export const CROSS_TABLE = 'purlin-live'
const OWN_TABLE = `inet ${CROSS_TABLE}`
export const crossChains = { begin: 'begin', host: 'host', end: 'end' } as const

/** Reads a line; undefined for all that is no step of a traced packet. Pure. */
export function readTraceLine(line: string): TraceLine | undefined {
  const found = /^trace id \S+ (\S+ \S+) (\S+) (packet: |rule |verdict |policy )(.*)$/.exec(line)
  if (found === null) return undefined
  const [, table = '', chain = '', word = '', rest = ''] = found
  if (word === 'packet: ') return { table, chain, sort: 'packet', text: rest, verdict: '' }
  if (word !== 'rule ') return { table, chain, sort: 'end', text: '', verdict: rest.trim() }
  const cut = rest.lastIndexOf(' (verdict ')
  const [text, verdict] =
    cut < 0 ? [rest, ''] : [rest.slice(0, cut), rest.slice(cut + ' (verdict '.length, -1)]
  return { table, chain, sort: 'rule', text, verdict }
}

/** What the lines of one namespace tell. Pure. */
export function judgeHop(lines: readonly TraceLine[]): HopJudgement {
  const drop = lines.find(({ table, verdict }) => table !== OWN_TABLE && verdict === 'drop')
  if (drop !== undefined) {
    const { table, chain, text } = drop
    return { outcome: 'dropped', by: `table ${table}, chain ${chain}${text && `: ${text}`}` }
  }
  const own = lines.filter(({ table }) => table === OWN_TABLE)
  const left = own.find(({ chain, sort }) => chain === crossChains.end && sort === 'packet')
  if (left !== undefined) {
    const device = /\boif "([^"]+)"/.exec(left.text)?.[1]
    const packet = flowOf(left.text)
    return { outcome: 'passed', ...(device && { device }), ...(packet && { packet }) }
  }
  if (own.some(({ chain }) => chain === crossChains.host)) return { outcome: 'taken' }
  return { outcome: lines.length === 0 ? 'unseen' : 'lost' }
}

/** Whether nothing more is to come of a namespace. Pure. */
export function isOver(lines: readonly TraceLine[]): boolean {
  return lines.some(
    ({ table, chain, verdict }) =>
      verdict === 'drop' ||
      (table === OWN_TABLE && chain === crossChains.end && verdict === 'accept'),
  )
}

/** `192.0.2.1 -> 10.1.0.5 tcp 40000 -> 80` of the words of a traced packet. */
function flowOf(text: string): string | undefined {
  const word = (name: string): string | undefined => new RegExp(`\\b${name} (\\S+)`).exec(text)?.[1]
  const source = word('ip6? saddr')
  const destination = word('ip6? daddr')
  if (source === undefined || destination === undefined) return undefined
  const ports = /\b(tcp|udp|sctp) sport (\S+) \1 dport (\S+)/.exec(text)
  const rest = ports === null ? '' : ` ${ports[1]} ${ports[2]} -> ${ports[3]}`
  return `${source} -> ${destination}${rest}`
}
