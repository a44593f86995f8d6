import type { CompiledVerdict } from '../compile/ruleset.ts'
import type { Statement } from './statement.ts'

/** The nflog group that the agent listens to. */
export const LOG_GROUP = 5354

const LOGS_PER_SECOND = 10
const LOGS_AT_ONCE = 10
/** What the kernel keeps of a prefix, without its final zero. */
const PREFIX_BYTES_MAX = 127

/** What a logged packet says of the rule that decided it. */
export interface LoggedRule {
  /** Key of the compiled list. Which NIC: its zone is in the packet's mark, and the packet came
   *  over the NIC's own bridge. */
  readonly list: string
  /** `web/inbound/0`; cut where it is too long. */
  readonly rule: string
  readonly verdict: CompiledVerdict
}

/** Logs at most ten packets a second; beyond that the rest of the rule is not reached. */
export function logStatements(logged: LoggedRule): readonly Statement[] {
  return [
    { kind: 'limit', packetsPerSecond: LOGS_PER_SECOND, burstPackets: LOGS_AT_ONCE },
    { kind: 'log', group: LOG_GROUP, prefix: logPrefix(logged) },
  ]
}

function logPrefix({ list, rule, verdict }: LoggedRule): string {
  return `purlin ${verdict} ${list} ${rule}`.slice(0, PREFIX_BYTES_MAX)
}

/** Reads a prefix of ours; undefined for somebody else's. */
export function readLogPrefix(prefix: string): LoggedRule | undefined {
  const [own, verdict, list, rule] = prefix.split(' ')
  if (own !== 'purlin' || list === undefined || rule === undefined) return undefined
  if (verdict !== 'accept' && verdict !== 'drop') return undefined
  return { list, rule, verdict }
}
