import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import { readReturn } from './answers.ts'

/** libvirt gives up on an agent after this time; a second more is left for its answer. */
export const AGENT_TIMEOUT_SECONDS = 5
export const ANSWER_MARGIN_MS = 3_000

/** One command for a guest's agent. */
export interface AgentQuestion {
  readonly execute: string
  readonly parameters?: Readonly<Record<string, unknown>>
  /** How long libvirt waits; absent: 5. */
  readonly timeoutSeconds?: number
}

/** Asks and gives the answer's `return`. Errors: PUR_VIRT_AGENT_UNRESPONSIVE, PUR_VIRT_FAILED where
 *  the agent refuses, and those of LibvirtPort. */
export type AskAgent = (
  machine: string,
  question: AgentQuestion,
  call: CallOptions,
) => Promise<unknown>

/** Makes the question of libvirt. */
export function askBy(libvirt: LibvirtPort): AskAgent {
  return async (machine, { execute, parameters, timeoutSeconds = AGENT_TIMEOUT_SECONDS }, call) => {
    const command = JSON.stringify({ execute, ...(parameters && { arguments: parameters }) })
    const deadlineMs = Math.min(call.deadlineMs, timeoutSeconds * 1_000 + ANSWER_MARGIN_MS)
    const answer = await libvirt.agentCommand(machine, command, {
      ...call,
      deadlineMs,
      timeoutSeconds,
    })
    return readReturn(answer, `${execute} of machine ${machine}`)
  }
}
