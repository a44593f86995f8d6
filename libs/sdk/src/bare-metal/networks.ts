import type { DhcpProbeAnswer, EnrolAnswer } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from '../resources/collection.ts'

/** Deployment networks, with what can be asked of one. */
export interface DeploymentNetworks extends Collection<'DeploymentNetwork'> {
  /** Looks for DHCP servers; another than ours is a danger to everyone on the network. */
  probe(name: string, options?: CallOptions): Promise<DhcpProbeAnswer>
  /** Answers unknown MACs with discovery for some minutes; 0 closes the window. */
  enrol(name: string, minutes: number, options?: MutationOptions): Promise<EnrolAnswer>
}

const PROBE_DEADLINE_MS = 60_000

/** The deployment networks behind `transport`. */
export function deploymentNetworksOf(transport: Transport): DeploymentNetworks {
  return {
    ...collectionOf(transport, 'DeploymentNetwork'),
    probe: (name, options) =>
      carryOut(transport, 'probeDhcpServers', {
        parts: { name },
        options: { deadlineMs: PROBE_DEADLINE_MS, ...options },
      }),
    enrol: (name, minutes, options) =>
      carryOut(transport, 'openEnrolWindow', { parts: { name }, body: { minutes }, options }),
  }
}
