import { daemonOperations, workOperations } from '../common-operations.ts'
import type { Operation } from '../operation.ts'
import { chassisOperations } from './chassis-operations.ts'
import { installationOperations } from './installation-operations.ts'
import { deploymentNetworkOperations } from './network-operations.ts'

/** Every call of purlin-baremetal-pxe that is not list, get, put or delete of a kind. */
export const bareMetalOperations = {
  ...workOperations,
  ...chassisOperations,
  ...installationOperations,
  ...deploymentNetworkOperations,
  ...daemonOperations,
} as const satisfies Record<string, Operation>

export type BareMetalOperationName = keyof typeof bareMetalOperations
