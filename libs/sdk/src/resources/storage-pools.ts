import type { PlacedAnswer, RebalanceAnswer } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from './collection.ts'

/** Storage pools, with what can be asked of a single one. */
export interface StoragePools extends Collection<'StoragePool'> {
  /** What is really placed, and the worst failures that it survives. Errors:
   *  PUR_RESOURCE_MISSING, PUR_BLOCK_UNREACHABLE. */
  explain(name: string, options?: CallOptions): Promise<PlacedAnswer>
  /** Begins to move stripes to where placement wants them; how far it is shows in the status.
   *  Errors: as of `explain`. */
  rebalance(name: string, options?: MutationOptions): Promise<RebalanceAnswer>
}

/** The storage pools behind `transport`. */
export function storagePoolsOf(transport: Transport): StoragePools {
  return {
    ...collectionOf(transport, 'StoragePool'),
    explain: (name, options) => carryOut(transport, 'explainPool', { parts: { name }, options }),
    rebalance: (name, options) =>
      carryOut(transport, 'rebalancePool', { parts: { name }, options }),
  }
}
