import type { RuleDirection } from '@purlin/sdk'
import { CommandFailure, exitCodes } from './exit-codes.ts'

/** A rule as the command line has it. */
export interface RuleFlags {
  readonly direction: RuleDirection
  readonly family: string
  readonly proto: string
  readonly ports?: string
  readonly icmpType?: number
  readonly icmpCode?: number
  readonly peer?: string
  readonly action: string
  readonly description?: string
  readonly disabled?: true
}

/** The rule as a manifest has it; whether its values fit is for the schema to say. Pure.
 *  Errors: CommandFailure (usage). */
export function ruleOf(flags: RuleFlags): unknown {
  const { direction, family, proto, ports, icmpType, icmpCode, peer, action } = flags
  if (icmpCode !== undefined && icmpType === undefined) {
    throw new CommandFailure('--icmp-code needs --icmp-type', exitCodes.usage)
  }
  return {
    family,
    protocol: protocolOf(proto),
    ...(ports !== undefined && { ports: listOf(ports) }),
    ...(icmpType !== undefined && {
      icmp: { type: icmpType, ...(icmpCode !== undefined && { code: icmpCode }) },
    }),
    ...(peer !== undefined && {
      [direction === 'inbound' ? 'source' : 'destination']: peerOf(listOf(peer)),
    }),
    action,
    ...(flags.disabled && { enabled: false }),
    ...(flags.description !== undefined && { description: flags.description }),
  }
}

/** A protocol by its name or its number. Pure. */
export function protocolOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
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
