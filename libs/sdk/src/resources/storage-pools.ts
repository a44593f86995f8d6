import type { PlacedAnswer, RebalanceAnswer, ScrubAnswer, ScrubRequest } from '@purlin/schema'
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
  /** Begins to read a pool through for what is bad, or holds that, or lets it go on; how far it is
   *  shows in the status. Errors: as of `explain`, PUR_BLOCK_INVALID where one runs already, or
   *  none does that could be held. */
  scrub(name: string, request?: ScrubRequest, options?: MutationOptions): Promise<ScrubAnswer>
}

/** The storage pools behind `transport`. */
export function storagePoolsOf(transport: Transport): StoragePools {
  return {
    ...collectionOf(transport, 'StoragePool'),
    explain: (name, options) => carryOut(transport, 'explainPool', { parts: { name }, options }),
    rebalance: (name, options) =>
      carryOut(transport, 'rebalancePool', { parts: { name }, options }),
    scrub: (name, request = {}, options) =>
      carryOut(transport, 'scrubPool', { parts: { name }, body: request, options }),
  }
}
