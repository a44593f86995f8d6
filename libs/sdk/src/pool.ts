import type { HostHardware, PoolAnswer, PoolHistory, PoolHistoryQuery } from '@purlin/schema'
import type { CallOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

/** What hosts have, promise and use. */
export interface Pool {
  /** The fleet, its hosts, and what machines of the answering host use. */
  show(options?: CallOptions): Promise<PoolAnswer>
  /** What the answering host or a machine on it used over the last day, oldest first. Errors:
   *  PUR_RESOURCE_MISSING for another host, PUR_INVALID. */
  history(
    subject: PoolHistory['subject'],
    name: string,
    range?: PoolHistoryQuery,
    options?: CallOptions,
  ): Promise<PoolHistory>
  /** What a host is made of. Errors: PUR_RESOURCE_MISSING, PUR_AGENT_UNREACHABLE for one that is
   *  away. */
  hardware(host: string, options?: CallOptions): Promise<HostHardware>
}

/** The pool as the agent behind `transport` sees it. */
export function poolOf(transport: Transport): Pool {
  return {
    show: (options) => carryOut(transport, 'showPool', { options }),
    history: (subject, name, range = {}, options) =>
      carryOut(transport, 'poolHistory', {
        parts: { subject, name },
        query: Object.fromEntries(
          Object.entries(range).filter(([, value]) => value !== undefined),
        ) as Record<string, number>,
        options,
      }),
    hardware: (name, options) => carryOut(transport, 'showHardware', { parts: { name }, options }),
  }
}
