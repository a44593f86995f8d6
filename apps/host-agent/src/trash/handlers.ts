import { type Clock, PurlinError } from '@purlin/base'
import type { CatalogueFollower, Changes, Once } from '@purlin/service'
import type { Store } from '@purlin/store'
import type { AdmitOptions } from '../admit/change.ts'
import type { OperationHandlers } from '../api/handlers.ts'
import { type TrashEntry, trashEntries, trashedMachineOf, trashKey } from './entry.ts'
import { admitUndelete } from './undelete.ts'

export interface TrashGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly catalogue: CatalogueFollower
  readonly changes: Changes
  readonly places: () => AdmitOptions
}

/** The calls about machines that were deleted. */
export function trashHandlers(
  grounds: TrashGrounds,
  once: Once,
): Pick<OperationHandlers, 'listTrash' | 'undeleteMachine' | 'forgetTrash'> {
  const { store, clock, catalogue, changes, places } = grounds
  return {
    listTrash: async () => {
      const entries = await trashEntries(store, catalogue.current())
      return { items: entries.map(trashedMachineOf) }
    },
    undeleteMachine: (call) =>
      once(call, async (request) => {
        const entry = await entryNamed(grounds, call.params.uid)
        const { newAddresses } = call.body
        const admit = (from: Parameters<typeof admitUndelete>[0]) =>
          admitUndelete(from, entry, {
            ...{ nowMs: clock.nowMs(), newAddresses },
            hosts: places().hosts,
          })
        return await changes.carry('undelete', admit, request)
      }),
    forgetTrash: async ({ params }) => {
      const entry = await entryNamed(grounds, params.uid)
      await store.transact({ writes: [{ delete: trashKey(entry.machine.uid) }] })
      return {}
    },
  }
}

/** By its identity, or by the name it had: the one that was deleted last.
 *  Errors: PUR_RESOURCE_MISSING. */
async function entryNamed({ store, catalogue }: TrashGrounds, word = ''): Promise<TrashEntry> {
  const entries = await trashEntries(store, catalogue.current())
  const found =
    entries.find(({ machine }) => machine.uid === word) ??
    entries.find(({ machine }) => machine.manifest.name === word)
  if (found !== undefined) return found
  const message = `no machine ${word} in the trash; purlin vm trash list`
  throw new PurlinError('PUR_RESOURCE_MISSING', { message })
}
