import { PurlinError } from '@purlin/base'
import { openNetfilterSocket, type TraceStep } from '../netlink/index.ts'
import type { Packet } from '../packet.ts'
import { spaceOfChain } from '../space/of-chain.ts'
import { decisionOf } from '../space/space.ts'
import { TABLE_NAME } from '../target/names.ts'
import { type Chain, type NamedSet, objectKey } from '../target/statement.ts'
import { noteKey, type RuleNotes, rulesChanged } from './rule-notes.ts'

const FILTER = { table: 'inet', name: 'base-filter' } as const
const READ_MS = 5_000

/** The comment of what decided where a look-up did: the trace names the rule that looked up, and
 *  not the element that it found. So the element is looked for in what the kernel holds, and taken
 *  where it says the verdict that was traced. Undefined where the rule itself decided, or where the
 *  element cannot be told. Errors: PUR_NFT_CONCURRENT (its rule is gone: ask
 *  again), PUR_NFT_UNREADABLE, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function decidingRule(
  decider: TraceStep,
  steps: readonly TraceStep[],
  notes: RuleNotes,
  packet: Packet,
  signal: AbortSignal,
): Promise<string | undefined> {
  const isOurs = decider.family === 'inet' && decider.table === TABLE_NAME
  if (!isOurs || notes.get(noteKey(decider))?.byMap !== true) return undefined
  const socket = openNetfilterSocket()
  try {
    const options = { signal, timeoutMs: READ_MS }
    const { tables } = await socket.readTables(['inet'], options)
    const found = tables.get('inet')
    const mark = steps.find(({ chain }) => chain === FILTER.name)?.mark
    const { chain, ruleHandle } = decider
    const handles = found?.handles.get(objectKey({ table: FILTER.table, name: chain })) ?? []
    if (found === undefined || ruleHandle === undefined || !handles.includes(ruleHandle)) {
      throw rulesChanged(`chain inet ${TABLE_NAME} ${chain}`)
    }
    if (mark === undefined) return undefined
    return elementOf(found, packet, mark, decider.verdict)
  } finally {
    socket.close()
  }
}

function elementOf(
  objects: {
    readonly chains: ReadonlyMap<string, Chain>
    readonly sets: ReadonlyMap<string, NamedSet>
  },
  packet: Packet,
  mark: number,
  verdict: string,
): string | undefined {
  try {
    const space = spaceOfChain(objects, objectKey(FILTER), packet.family, { mark })
    const decided = decisionOf(space, packet)
    return decided?.verdict === verdict ? decided.id : undefined
  } catch (thrown) {
    // Rules of a stranger stand there that cannot be followed for all packets.
    if (thrown instanceof PurlinError && thrown.code === 'PUR_NFT_UNREADABLE') return undefined
    throw thrown
  }
}
