import type { Store } from '@purlin/store'
import type { AllottedAddress } from '../admit/addresses.ts'

/** Addresses of chassis on their deployment networks, by chassis. */
export const ADDRESS_PREFIX = '/address/'

/** Every address that was given to a chassis. */
export async function readAddresses(
  store: Pick<Store, 'list'>,
): Promise<ReadonlyMap<string, AllottedAddress>> {
  const { entries } = await store.list(ADDRESS_PREFIX)
  return new Map(
    entries.map(({ key, value }) => [key.slice(ADDRESS_PREFIX.length), value as AllottedAddress]),
  )
}
