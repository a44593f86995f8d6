import type { SwitchDesired, VswitchDesired } from '../desired.ts'
import { UPLINKS_KEY } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { readRecord, type TrialGrounds, tryUplinks, type UplinkRecord } from './trial.ts'

/** A record of a switch's uplinks that has to be kept before the switch is changed. */
export interface RecordNote {
  readonly switch: string
  readonly record: UplinkRecord
}

/** The desired state with the uplinks that each switch should have now, which are those of before
 *  where a change was not confirmed, and the records to keep. Pure. */
export function withTrials(
  desired: VswitchDesired,
  observed: VswitchObserved,
  grounds: TrialGrounds | undefined,
): { readonly desired: VswitchDesired; readonly notes: readonly RecordNote[] } {
  if (grounds === undefined) return { desired, notes: [] }
  const notes: RecordNote[] = []
  const switches = desired.switches.map((wanted): SwitchDesired => {
    const bridge = observed.bridges.get(wanted.name)
    const before = readRecord(bridge?.externalIds[UPLINKS_KEY])
    const { effective, record } = tryUplinks(wanted, before, grounds)
    const changed = JSON.stringify(record) !== JSON.stringify(before)
    if (bridge !== undefined && record !== undefined && changed) {
      notes.push({ switch: wanted.name, record })
    }
    return effective
  })
  return { desired: { ...desired, switches }, notes }
}

/** Trials that run on this host and when each is over. Pure. */
export function trialsOf(
  observed: Pick<VswitchObserved, 'bridges'>,
): readonly { readonly switch: string; readonly record: UplinkRecord }[] {
  return [...observed.bridges.values()].flatMap(({ name, externalIds }) => {
    const record = readRecord(externalIds[UPLINKS_KEY])
    return record === undefined || record.state === 'confirmed' ? [] : [{ switch: name, record }]
  })
}
