import type { FilteredNic } from '../policy/desired.ts'
import type { NetfilterObserved } from './observed.ts'
import { nicStatus } from './status.ts'

/** How a NIC is filtered, as people are shown it. */
export interface NicFilter {
  /** `guardsOnly`: it names no groups, and nothing but its guards is asked. */
  readonly filter: 'enforced' | 'guardsOnly' | 'notEnforced'
  /** Why its rules are not in force. */
  readonly reason?: string
  /** Guards that are switched off. */
  readonly guardsOff: readonly string[]
  /** What passes its lists by itself, because it is not switched off. */
  readonly alwaysOpen: readonly string[]
}

/** Judges one NIC. `isEnforced`: that its rules stand is known already. Pure. */
export function nicFilter(
  nic: FilteredNic,
  observed: NetfilterObserved,
  isEnforced: boolean,
): NicFilter {
  const guardsOff = Object.entries(nic.guards).flatMap(([name, isOn]) => (isOn ? [] : [name]))
  const open = Object.entries(nic.alwaysOpen).flatMap(([name, isOn]) => (isOn ? [name] : []))
  const shown = { guardsOff, alwaysOpen: nic.filtered ? open : [] }
  const status = isEnforced ? undefined : nicStatus(observed, nic.port)
  if (status?.state === 'notEnforced') {
    return { filter: 'notEnforced', reason: status.reason, ...shown }
  }
  if (nic.groups.length > 0 && !nic.filtered) {
    const reason = nic.trunk
      ? 'its port group is a trunk, and lists cannot see into tagged frames'
      : 'its path cannot enforce groups'
    return { filter: 'notEnforced', reason, ...shown }
  }
  return { filter: nic.filtered ? 'enforced' : 'guardsOnly', ...shown }
}
