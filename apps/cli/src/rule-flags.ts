import type { RuleDirection } from '@purlin/sdk'
import { CommandFailure, exitCodes } from './exit-codes.ts'

/** A rule as the command line has it. */
export interface RuleFlags {
  readonly direction: RuleDirection
  readonly id?: string
  readonly family?: string
  readonly proto?: string
  readonly ports?: string
  readonly icmpType?: string
  readonly icmpCode?: number
  readonly peer?: string
  readonly action?: string
  readonly log?: 'on' | 'off'
  readonly description?: string
  readonly disabled?: true
}

/** Says that an optional field is to be without a value. */
const ANY = 'any'

/** The rule as a manifest has it; whether its values fit is for the schema to say. Pure.
 *  Errors: CommandFailure (usage). */
export function ruleOf(flags: RuleFlags): unknown {
  const { id, family = 'ipv4', proto = 'all', action = 'allow' } = flags
  const given = patchOf({ ...flags, family, proto, action })
  const fields = Object.entries(given).filter(([, value]) => value !== null)
  return {
    ...(id !== undefined && { id }),
    ...Object.fromEntries(fields),
    ...(flags.disabled && { enabled: false }),
  }
}

/** What the flags change of a rule: a field that is to be without a value is null. Pure.
 *  Errors: CommandFailure (usage). */
export function patchOf(flags: RuleFlags): Readonly<Record<string, unknown>> {
  const { direction, family, proto, ports, icmpType, icmpCode, peer, action, log } = flags
  if (icmpCode !== undefined && icmpType === undefined) {
    throw new CommandFailure('--icmp-code needs --icmp-type', exitCodes.usage)
  }
  const side = direction === 'inbound' ? 'source' : 'destination'
  return {
    ...(family !== undefined && { family }),
    ...(proto !== undefined && { protocol: protocolOf(proto) }),
    ...(ports !== undefined && { ports: ports === ANY ? null : listOf(ports) }),
    ...(icmpType !== undefined && { icmp: icmpOf(icmpType, icmpCode) }),
    ...(peer !== undefined && { [side]: peer === ANY ? null : peerOf(listOf(peer)) }),
    ...(action !== undefined && { action }),
    ...(log !== undefined && { log: log === 'on' }),
    ...(flags.description !== undefined && { description: flags.description || null }),
  }
}

/** A protocol by its name or its number. Pure. */
export function protocolOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
}

function icmpOf(type: string, code: number | undefined): unknown {
  if (type === ANY) return null
  return { type: protocolOf(type), ...(code !== undefined && { code }) }
}

/** Who a rule speaks of: networks have a slash, ranges a dash, groups their prefix. */
function peerOf(words: readonly string[]): Readonly<Record<string, unknown>> {
  const groups = words.filter((word) => word.startsWith('group:'))
  const plain = words.filter((word) => !word.startsWith('group:') && word !== 'self')
  const cidrs = plain.filter((word) => word.includes('/'))
  const ranges = plain.filter((word) => !word.includes('/') && word.includes('-'))
  const addresses = plain.filter((word) => !word.includes('/') && !word.includes('-'))
  return {
    ...(cidrs.length > 0 && { cidrs }),
    ...(ranges.length > 0 && { ranges }),
    ...(addresses.length > 0 && { addresses }),
    ...(groups.length > 0 && { groups: groups.map((word) => word.slice('group:'.length)) }),
    ...(words.includes('self') && { self: true }),
  }
}

function listOf(text: string): string[] {
  return text.split(',').map((word) => word.trim())
}
