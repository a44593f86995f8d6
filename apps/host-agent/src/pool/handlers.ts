import type { OperationHandlers } from '../api/handlers.ts'
import type { ResourcePool } from './resource-pool.ts'

/** The calls of the schema's pool operations. */
export function poolHandlers(
  pool: ResourcePool,
): Pick<OperationHandlers, 'showPool' | 'poolHistory' | 'showHardware'> {
  return {
    showPool: () => pool.show(),
    poolHistory: ({ params, query }) => pool.day(params.subject ?? '', params.name ?? '', query),
    showHardware: ({ params }) => pool.hardware(params.name ?? ''),
  }
}
