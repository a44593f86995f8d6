import type { Run } from '@purlin/base'
import { inNamespace } from '../links/batch.ts'
import { ROUTER_TABLE } from '../router/rules.ts'
import type { KernelSettings } from './kernel-settings.ts'

/** A network namespace that is kept for a port group or a router. */
export interface KeptPlace {
  /** `port group web`, `router edge`. */
  readonly name: string
  readonly processId: number
  /** Routers have rules of nftables besides. */
  readonly hasRules: boolean
  /** What the kernel shall be set to inside. */
  readonly kernel: KernelSettings
}

const LIST_DEADLINE_MS = 5_000
const QUESTIONS = [
  'address show',
  'route show table all',
  'rule show',
  'neigh show nud permanent',
].join('\n')
/** What the kernel adds and takes away by itself. */
const PASSING_WORDS = / (?:linkdown|dead|expires \S+)(?= |$)/g

/** Addresses, routes, rules and known neighbours of a namespace, a line each behind its family, and
 *  the rules of a router, in words that only a change alters. Errors: those of `run`. */
export async function listInside(
  run: Run,
  { processId, hasRules }: KeptPlace,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ask = async (command: readonly string[], input?: string): Promise<string> => {
    const [program = '', ...args] = inNamespace(processId, command)
    const options = { timeoutMs: LIST_DEADLINE_MS, signal, acceptedExitCodes: [1] }
    return (await run(program, args, { ...options, ...(input !== undefined && { input }) })).stdout
  }
  const [four = '', six = '', rules = ''] = await Promise.all([
    ...['inet', 'inet6'].map((family) =>
      ask(['ip', '-oneline', '-family', family, '-batch', '-'], `${QUESTIONS}\n`),
    ),
    hasRules ? ask(['nft', '--stateless', 'list', 'table', ...ROUTER_TABLE.split(' ')]) : '',
  ])
  const linesOf = (family: string, text: string): readonly string[] =>
    text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [`${family} ${plainLine(line)}`]))
  return [
    ...linesOf('ipv4', four),
    ...linesOf('ipv6', six),
    ...(hasRules ? [`rules: ${rules}`] : []),
  ]
}

/** A line without what passes. Pure. */
export function plainLine(line: string): string {
  return line.replace(PASSING_WORDS, '').replaceAll(/\s+/g, ' ').trim()
}

/** Which of the lines that were written down stand no more, the long text of rules by a word.
 *  Pure. */
export function lackingOf(
  written: readonly string[],
  standing: readonly string[],
): readonly string[] {
  const there = new Set(standing)
  const gone = written.filter((line) => !there.has(line))
  return gone.map((line) => (line.startsWith('rules: ') ? `table ${ROUTER_TABLE}` : line))
}
