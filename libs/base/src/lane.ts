import type { Brand } from './brand.ts'

/** Something a lane has seen to be true of the host, such as `nic/web-1.eth0/enforced`. */
export type Fact = Brand<string, 'Fact'>

/** The fact that `subject` of `noun` is `state`: `fact('nic', 'web-1.eth0', 'enforced')`. */
export function fact(
  noun: 'nic' | 'vm' | 'volume' | 'daemon',
  subject: string,
  state: string,
): Fact {
  return `${noun}/${subject}/${state}` as Fact
}

/** The state of a volume that has at least so many bytes. */
export function sizeFact(sizeBytes: number): string {
  return `bytes-${sizeBytes}`
}

/** What every planned step has, whatever its lane: a sentence for people, what must be true before,
 *  what must not be, and its deadline. Steps are values; the driver knows how to execute them. */
export interface LaneStep {
  readonly summary: string
  readonly requires: readonly Fact[]
  readonly forbids: readonly Fact[]
  readonly deadlineMs: number
}
