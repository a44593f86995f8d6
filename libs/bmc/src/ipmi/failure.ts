import { foreignText } from '../foreign-text.ts'

/** What ipmitool's words say of a failure. `session` is one that did not come about for a reason
 *  that it tells only with -v. */
export type IpmiFailure =
  | 'password'
  | 'cipher'
  | 'session'
  | 'no-answer'
  | 'unsupported'
  | 'refused'

/** First match decides. The words are those of ipmitool 1.8.18 and 1.8.19, where a BMC's completion
 *  code becomes text (IPMI 2.0, table 5-2). */
const SIGNS: readonly (readonly [RegExp, IpmiFailure])[] = [
  [/RAKP 2 HMAC is invalid|RAKP 4 message has invalid|unauthorized (name|GUID)/i, 'password'],
  [/RAKP .* (unauthorized|invalid role)|password is (invalid|incorrect)/i, 'password'],
  [/invalid (authentication|integrity|confidentiality) algorithm/i, 'cipher'],
  [/no (matching )?cipher suite|unsupported cipher suite/i, 'cipher'],
  [/Unable to establish|Get Auth Capabilities error|Could not open socket/i, 'session'],
  [/insufficient resources|Address lookup for .* failed/i, 'session'],
  [/\b(timeout|timed out|no response)\b/i, 'no-answer'],
  [/Invalid command\b|not supported|Invalid data field in request/i, 'unsupported'],
]

/** Reads why ipmitool failed of what it printed on standard error. */
export function readIpmiFailure(stderr: string): IpmiFailure {
  return SIGNS.find(([sign]) => sign.test(stderr))?.[1] ?? 'refused'
}

/** The last thing that ipmitool said, for a sentence of ours. */
export function lastWords(stderr: string): string {
  const lines = stderr.split('\n').map(foreignText)
  return lines.findLast((line) => line !== '') ?? 'ipmitool failed without a word'
}
