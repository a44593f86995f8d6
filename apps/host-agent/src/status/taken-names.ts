import type { ErrorCode } from '@purlin/base'
import type { TakenName } from '@purlin/hardware'
import type { HostView } from './host-view.ts'

const TAKEN: readonly ErrorCode[] = ['PUR_SWITCH_NAME_TAKEN', 'PUR_VIRT_NAME_TAKEN']

/** The names that somebody else has, as the lanes met them last. Pure. */
export function takenNames(view: HostView): readonly TakenName[] {
  return Object.entries(view.lanes).flatMap(([lane, { failure }]): TakenName[] => {
    if (failure === undefined) return []
    const { code, context, message } = failure.error
    const table = code === 'PUR_NFT_REFUSED' ? context.table : undefined
    if (!TAKEN.includes(code) && table === undefined) return []
    return [{ what: lane, name: String(table ?? failure.summary), told: message }]
  })
}
