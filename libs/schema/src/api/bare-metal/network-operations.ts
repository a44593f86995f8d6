import type { Operation } from '../operation.ts'
import { dhcpProbeAnswer, enrolAnswer, enrolRequest } from './network.ts'

const path = '/v1/deployment-networks/:name'

/** Calls of a deployment network. */
export const deploymentNetworkOperations = {
  probeDhcpServers: {
    method: 'POST',
    path: `${path}/probe`,
    summary: 'Look for DHCP servers on the network; another than ours is a danger.',
    role: 'operator',
    status: 200,
    answer: dhcpProbeAnswer,
  },
  openEnrolWindow: {
    method: 'POST',
    path: `${path}/enrol`,
    summary: 'Answer unknown MACs with discovery for some minutes.',
    role: 'operator',
    status: 200,
    body: enrolRequest,
    answer: enrolAnswer,
  },
} as const satisfies Record<string, Operation>
