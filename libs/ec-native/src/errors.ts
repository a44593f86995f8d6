import { PurlinError } from '@purlin/base'

/** An operating error as the addon returns it. */
export interface EcFailure {
  readonly code:
    | 'PUR_EC_INVALID'
    | 'PUR_EC_NOT_MDS'
    | 'PUR_EC_OVERLAP'
    | 'PUR_EC_TOO_FEW_SHARDS'
    | 'PUR_EC_KERNEL'
    | 'PUR_EC_MEMORY'
    | 'PUR_INTERNAL'
  readonly message: string
}

/** The PurlinError of a failure that crossed from the addon. Its type is the general one, so that
 *  the published declarations stand without those of the base library. */
export function toError({ code, message }: EcFailure): Error {
  return new PurlinError(code, { message })
}

/** PUR_EC_INVALID with its sentence. */
export function invalid(message: string): Error {
  return new PurlinError('PUR_EC_INVALID', { message })
}

/** A number that must be whole and within its bounds.
 *  Errors: PUR_EC_INVALID, which names it. */
export function requireWhole(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value
  }
  const shown = typeof value === 'number' ? String(value) : typeof value
  throw invalid(`${name} is ${shown} and must be a whole number from ${min} to ${max}`)
}
