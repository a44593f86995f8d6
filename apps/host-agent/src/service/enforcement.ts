import { withDeadline } from '@purlin/base'
import { openNetfilterSocket } from '@purlin/netfilter'
import type { Call } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import { netfilterDesired } from '../desired/netfilter.ts'
import { routedNetwork } from '../desired/routers.ts'
import { shownHits } from './hits.ts'
import { explainLive } from './live-packet.ts'
import type { OperationGrounds } from './operations.ts'
import { hypothetical } from './plan.ts'
import { type ListConnections, policyPlan } from './policy-plan.ts'
import { importedSpec } from './rule-files.ts'
import { shownVerification } from './verification.ts'

export type EnforcementHandlers = Pick<
  OperationHandlers,
  'planPolicy' | 'listHits' | 'verifyRules' | 'explainPacketLive'
>

/** A question beside the matter: long enough for a kernel with many connections. */
const KERNEL_TIMEOUT_MS = 5_000
const VERIFY_TIMEOUT_MS = 110_000
const LIVE_TIMEOUT_MS = 25_000

/** The calls about what the kernel enforces. */
export function enforcementHandlers(grounds: OperationGrounds): EnforcementHandlers {
  const { netfilter } = grounds
  return {
    planPolicy: async (call) => {
      const before = grounds.catalogue.current()
      const documents = documentsOf(grounds, call)
      const images = await grounds.desired.imageNames([])
      const { after } = hypothetical(
        before,
        documents,
        images,
        grounds.clock.nowMs(),
        grounds.places(),
      )
      const { securityGroups, host } = grounds.configuration
      return await policyPlan(
        netfilterDesired(before, securityGroups, host.name),
        netfilterDesired(after, securityGroups, host.name),
        connectionsOf(call.signal),
      )
    },
    listHits: async ({ query, signal }) => {
      const hits = await withDeadline(
        'rule hits',
        KERNEL_TIMEOUT_MS,
        (until) => netfilter.hits(until),
        signal,
      )
      return { items: shownHits(hits, grounds.catalogue.current(), query.group) }
    },
    verifyRules: async ({ signal }) => {
      const policy = grounds.desired.of('netfilter').value
      const work = (until: AbortSignal) => netfilter.verify(policy, until)
      return shownVerification(await withDeadline('verify', VERIFY_TIMEOUT_MS, work, signal))
    },
    explainPacketLive: async ({ body, signal }) => {
      const { configuration, clock, run } = grounds
      const current = grounds.catalogue.current()
      const host = configuration.host.name
      const live = {
        network: routedNetwork(current, host),
        policy: netfilterDesired(current, configuration.securityGroups),
        host,
        cross: grounds.network.cross,
      }
      const work = (until: AbortSignal) => explainLive(live, body, { clock, run, signal: until })
      return await withDeadline('a packet through the kernel', LIVE_TIMEOUT_MS, work, signal)
    },
  }
}

/** The documents of the request, and the group as its file of rules would make it. */
function documentsOf(
  { catalogue }: OperationGrounds,
  { body }: Parameters<EnforcementHandlers['planPolicy']>[0],
): readonly unknown[] {
  if (body.import === undefined) return body.documents
  const { group: name, ...request } = body.import
  const spec = importedSpec(catalogue.current(), name, request)
  return [...body.documents, { kind: 'SecurityGroup', name, spec }]
}

/** By a socket of its own: what is only asked shall not wait for the lane, nor the lane for it. */
function connectionsOf(signal: Call['signal']): ListConnections {
  return async (zones) => {
    const socket = openNetfilterSocket()
    try {
      return await socket.listConnections({ zones }, { signal, timeoutMs: KERNEL_TIMEOUT_MS })
    } finally {
      socket.close()
    }
  }
}
