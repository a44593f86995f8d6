import { type StateOf, stateTable } from '@purlin/base'
import type { UplinkBond } from '@purlin/schema'
import type { OverlayDesired, SwitchDesired } from '../desired.ts'

/** The part of a switch by which the host is reached. Where peers and machines are is not in it:
 *  that changes all the time and cuts nobody off. */
export interface UplinkSettings {
  readonly uplinks: readonly string[]
  readonly bonds: readonly UplinkBond[]
  readonly overlay?: Pick<OverlayDesired, 'type' | 'udpPort' | 'underlay'>
}

/** What is kept beside a switch of its uplinks. */
export interface UplinkRecord {
  readonly state: UplinkState
  /** What was known to work last. */
  readonly confirmed: UplinkSettings
  /** What is tried, or was and did not work out. */
  readonly candidate?: UplinkSettings
  /** Milliseconds since 1970 at which the trial is over. */
  readonly deadlineMs?: number
  /** The agent's process that began the trial: another one never goes on with it. */
  readonly process?: string
}

/** A change of uplinks is tried, and stays when somebody confirms it over the new path; else the
 *  host goes back to what worked and stays there until something else is wanted. */
export const uplinkTrial = stateTable({
  confirmed: { change: 'trying' },
  trying: { confirm: 'confirmed', change: 'trying', withdraw: 'confirmed', expire: 'rejected' },
  rejected: { change: 'trying', withdraw: 'confirmed' },
})
export type UplinkState = StateOf<typeof uplinkTrial.rows>

export interface TrialGrounds {
  readonly nowMs: number
  /** Name of this process of the agent. */
  readonly process: string
}

/** What a switch should be now, and the record to keep before it is made so. Without
 *  `confirmSeconds`, or where nothing is known to work yet, it is as it is wanted. Pure. */
export function tryUplinks(
  wanted: SwitchDesired,
  record: UplinkRecord | undefined,
  { nowMs, process }: TrialGrounds,
): { readonly effective: SwitchDesired; readonly record: UplinkRecord | undefined } {
  const seconds = wanted.confirmSeconds ?? 0
  const settings = settingsOf(wanted)
  if (seconds === 0 && record === undefined) return { effective: wanted, record }
  if (seconds === 0 || record === undefined || same(settings, record.confirmed)) {
    return { effective: wanted, record: { state: 'confirmed', confirmed: settings } }
  }
  const back = { effective: withSettings(wanted, record.confirmed), record }
  const isCandidate = record.candidate !== undefined && same(settings, record.candidate)
  if (record.state === 'rejected' && isCandidate) return back
  if (record.state === 'trying' && isCandidate) {
    const leftMs = (record.deadlineMs ?? 0) - nowMs
    // A clock that was set back must not make a trial longer than it may be.
    const runs = record.process === process && leftMs > 0 && leftMs <= seconds * 1_000
    if (runs) return { effective: wanted, record }
    const state = uplinkTrial.next(record.state, 'expire')
    const { confirmed } = record
    return { ...back, record: { state, confirmed, candidate: settings } }
  }
  const state = uplinkTrial.next(record.state, 'change')
  const deadlineMs = nowMs + seconds * 1_000
  const trial = { state, confirmed: record.confirmed, candidate: settings, deadlineMs, process }
  return { effective: wanted, record: trial }
}

/** The record after somebody confirmed the trial; undefined where none runs. Pure. */
export function confirmTrial(
  record: UplinkRecord | undefined,
  { nowMs, process }: TrialGrounds,
): UplinkRecord | undefined {
  if (record?.state !== 'trying' || record.candidate === undefined) return undefined
  if (record.process !== process || nowMs >= (record.deadlineMs ?? 0)) return undefined
  return { state: uplinkTrial.next(record.state, 'confirm'), confirmed: record.candidate }
}

/** Reads a record; one that was torn or edited is none. Pure. */
export function readRecord(text: string | undefined): UplinkRecord | undefined {
  if (text === undefined) return undefined
  try {
    const record: UplinkRecord = JSON.parse(text)
    const known = Object.hasOwn(uplinkTrial.rows, record.state)
    return known && Array.isArray(record.confirmed?.uplinks) ? record : undefined
  } catch {
    return undefined
  }
}

function settingsOf({ uplinks, bonds = [], overlay }: SwitchDesired): UplinkSettings {
  return {
    uplinks,
    bonds,
    ...(overlay !== undefined && {
      overlay: { type: overlay.type, udpPort: overlay.udpPort, underlay: overlay.underlay },
    }),
  }
}

/** The switch with other settings of its uplinks. Tunnels that it had, and should not have any
 *  more, come back without peers that are not known now. */
function withSettings(wanted: SwitchDesired, settings: UplinkSettings): SwitchDesired {
  const { overlay, ...rest } = wanted
  const known = overlay ?? { peers: [], networks: [], stations: [] }
  return {
    ...rest,
    uplinks: settings.uplinks,
    bonds: settings.bonds,
    ...(settings.overlay !== undefined && { overlay: { ...known, ...settings.overlay } }),
  }
}

function same(one: UplinkSettings, other: UplinkSettings): boolean {
  const text = ({ uplinks, bonds, overlay }: UplinkSettings): string =>
    JSON.stringify([
      uplinks,
      bonds.map(({ name, mode, members }) => [name, mode, members]),
      overlay === undefined ? null : [overlay.type, overlay.udpPort, overlay.underlay],
    ])
  return text(one) === text(other)
}
