import { PurlinError } from '@purlin/base'
import type { Codec } from '../codec.ts'
import type { StripePlace } from './layout.ts'
import type { ReadStripe } from './read-stripe.ts'

/** All payloads of a stripe, or of its data alone, those that were lost rebuilt.
 *  Errors: PUR_EC_TOO_FEW_SHARDS with the stripe, where it lies, and why each shard failed. */
export function rebuildStripe(
  codec: Codec,
  { payloads, faults }: ReadStripe,
  { stripe, fileOffset, dataBytes, payloadBytes }: StripePlace,
  wanted: 'data' | 'all',
): readonly (Uint8Array | undefined)[] {
  const good = payloads.filter((payload) => payload !== undefined).length
  if (good < codec.dataShards) {
    const why = payloads.flatMap((payload, shard) => {
      if (payload !== undefined) return []
      const fault = faults.find((each) => each.shard === shard)
      return `shard ${shard} ${fault === undefined ? 'missing' : fault.what}`
    })
    throw new PurlinError('PUR_EC_TOO_FEW_SHARDS', {
      message:
        `stripe ${stripe} (bytes ${fileOffset} to ${fileOffset + dataBytes} of the file) cannot ` +
        `be rebuilt: ${good} good shards are left and ${codec.dataShards} are needed; ` +
        why.join(', '),
      context: { stripe, found: good, needed: codec.dataShards },
    })
  }
  if (payloadBytes === 0) return payloads.map(() => new Uint8Array())
  return codec.reconstructSync(payloads, { wanted })
}
