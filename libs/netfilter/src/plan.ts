import { type Fact, fact, type LaneStep } from '@purlin/base'
import { type Difference, difference, isEmpty, type RetainedElements } from './apply/difference.ts'
import { chooseVariants } from './apply/variants.ts'
import { compile } from './compile/compile.ts'
import type { CompiledNic, CompiledRuleset } from './compile/ruleset.ts'
import { type NetfilterObserved, observedMap } from './observe/observed.ts'
import { observedNics } from './observe/status.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { summaryOf } from './summary.ts'
import type { KernelRuleset } from './target/kernel-ruleset.ts'
import {
  hexadecimal,
  type MapName,
  mapNames,
  mapTypes,
  markClass,
  ZONE_MASK,
} from './target/names.ts'
import { kernelRuleset, nicElementKeys, nicStems } from './target/nftables.ts'

/** Brings the kernel to the desired rule set: members and new chains aside, then the flip, then
 *  what is left over. NICs that are to go stay as they are. */
export interface CommitStep extends LaneStep {
  readonly verb: 'commit'
  readonly difference: Difference
  readonly wanted: KernelRuleset
  readonly retained: RetainedElements
  /** NICs whose rules are not the desired ones until this step is done. */
  readonly affectedPorts: readonly string[]
}

/** Takes a NIC's rules away; its tap is closed from then on. */
export interface RemoveNicStep extends LaneStep {
  readonly verb: 'remove-nic'
  readonly port: string
  readonly elements: RetainedElements
  readonly wanted: KernelRuleset
}

/** Writes the rule set in force down for the next boot. */
export interface SaveStep extends LaneStep {
  readonly verb: 'save'
  readonly wanted: KernelRuleset
}

export type NetfilterStep = CommitStep | RemoveNicStep | SaveStep

const COMMIT_DEADLINE_MS = 30_000

/** The steps from what the kernel holds to what is desired; none where nothing differs. Pure.
 *  Errors: PUR_INVALID. */
export function planSteps(
  desired: NetfilterDesired,
  observed: NetfilterObserved,
): readonly NetfilterStep[] {
  const compiled = compile(desired)
  const wanted = kernelRuleset(compiled, chooseVariants(compiled, observed))
  const removals = removalSteps(compiled, wanted, observed)
  const retained = mergeElements(removals.map((step) => step.elements))
  const changes = difference(wanted, observed, retained)
  if (isEmpty(changes)) return removals.length > 0 || observed.saved ? removals : [saveStep(wanted)]
  const affectedPorts = compiled.nics
    .filter((nic) => isAffected(nic, compiled, changes))
    .map((nic) => nic.port)
  const commit: CommitStep = {
    verb: 'commit',
    summary: summaryOf(changes, compiled, affectedPorts, observed),
    requires: [],
    forbids: [],
    deadlineMs: COMMIT_DEADLINE_MS,
    difference: changes,
    wanted,
    retained,
    affectedPorts,
  }
  return [commit, ...removals]
}

function saveStep(wanted: KernelRuleset): SaveStep {
  return {
    verb: 'save',
    summary: 'write the rules in force down for the next boot',
    requires: [],
    forbids: [],
    deadlineMs: COMMIT_DEADLINE_MS,
    wanted,
  }
}

/** A step for each NIC that the kernel knows and nobody wants. Elements that no step names are
 *  strays, and leave with the commit. */
function removalSteps(
  compiled: CompiledRuleset,
  wanted: KernelRuleset,
  observed: NetfilterObserved,
): readonly RemoveNicStep[] {
  const ports = new Set(compiled.nics.map((nic) => nic.port))
  const zones = new Set(compiled.nics.map((nic) => nic.zone))
  return observedNics(observed)
    .filter((nic) => !ports.has(nic.port) && !wanted.maps.guard.has(nic.tap))
    .map((nic) => {
      const reused = nic.zone === undefined || zones.has(nic.zone)
      const elements = reused
        ? new Map<MapName, ReadonlySet<string>>([['guard', new Set([nic.tap])]])
        : elementsOfZone(nic.tap, nic.zone, observed)
      const forbidden: readonly Fact[] = [fact('nic', nic.port, 'in-use')]
      return {
        verb: 'remove-nic',
        summary: `take the rules of ${nic.port} away; its tap ${nic.tap} is closed from then on`,
        requires: [],
        forbids: forbidden,
        deadlineMs: COMMIT_DEADLINE_MS,
        port: nic.port,
        elements,
        wanted,
      }
    })
}

function elementsOfZone(tap: string, zone: number, observed: NetfilterObserved): RetainedElements {
  const marks = new Set(Object.values(markClass).map((one) => hexadecimal(one + zone)))
  const found = new Map<MapName, ReadonlySet<string>>([['guard', new Set([tap])]])
  for (const map of mapNames) {
    if (map === 'guard') continue
    const elements = [...observedMap(observed, mapTypes[map].table, map)]
    const keys = elements
      .filter(([key, value]) =>
        map === 'nic-mark' ? (Number(value) & ZONE_MASK) === zone : marks.has(key),
      )
      .map(([key]) => key)
    found.set(map, new Set(keys))
  }
  return found
}

function mergeElements(parts: readonly RetainedElements[]): RetainedElements {
  const merged = new Map<MapName, Set<string>>()
  for (const part of parts) {
    for (const [map, keys] of part) {
      const all = merged.get(map) ?? new Set<string>()
      for (const key of keys) all.add(key)
      merged.set(map, all)
    }
  }
  return merged
}

function isAffected(nic: CompiledNic, compiled: CompiledRuleset, changes: Difference): boolean {
  const { faults } = changes
  if (nicElementKeys(nic).some(([map, key]) => faults.has(`map ${map} ${key}`))) return true
  const keys = [...faults.keys()]
  const stems = nicStems(nic)
  if (keys.some((key) => key.startsWith('table ') || key.includes('/base-'))) return true
  if (keys.some((key) => stems.some((stem) => key.includes(`/${stem}_`)))) return true
  if (nic.lists === undefined) return false
  const lists = [compiled.lists.get(nic.lists.inbound), compiled.lists.get(nic.lists.outbound)]
  return lists.some((list) =>
    [...(list?.ipv4 ?? []), ...(list?.ipv6 ?? [])].some((rule) =>
      rule.matches.some((match) => match.on === 'group' && faults.has(`set ${match.set}`)),
    ),
  )
}
