import { type Fact, fact, type LaneStep } from '@purlin/base'
import { affectedPorts as portsOf } from './affected.ts'
import {
  type Difference,
  difference,
  isBroughtAbout,
  type RetainedElements,
} from './apply/difference.ts'
import { chooseVariants } from './apply/variants.ts'
import { Compiler } from './compile/compiler.ts'
import type { CompiledRuleset } from './compile/ruleset.ts'
import { type NetfilterObserved, turnElements } from './observe/observed.ts'
import { markOf, observedNics } from './observe/status.ts'
import { type PlannedChange, planChange, type Standing } from './plan-change.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { settleSummary, summaryOf } from './summary.ts'
import { hostObjects } from './target/host-objects.ts'
import { markClass, ZONE_MASK } from './target/names.ts'
import { turnShapes } from './target/sets.ts'
import type { TableObjects } from './target/statement.ts'

/** Brings the kernel to the desired rule set: new chains and sets aside, then the flip. NICs that
 *  are to go stay as they are. */
export interface CommitStep extends LaneStep {
  readonly verb: 'commit'
  readonly difference: Difference
  readonly wanted: TableObjects
  readonly desired: NetfilterDesired
  readonly retained: RetainedElements
  /** NICs whose rules are not the desired ones until this step is done. */
  readonly affectedPorts: readonly string[]
  /** Those of them that the kernel does not know yet. */
  readonly newPorts: readonly string[]
}

/** Takes a NIC's rules away; its tap is closed from then on. */
export interface RemoveNicStep extends LaneStep {
  readonly verb: 'remove-nic'
  readonly port: string
  readonly elements: RetainedElements
}

/** What follows once the rules are in force: what they replaced is deleted, the connections that
 *  they refuse are ended, and they are written down for the next boot. */
export interface SettleStep extends LaneStep {
  readonly verb: 'settle'
  readonly difference: Difference
  readonly desired: NetfilterDesired
}

export type NetfilterStep = CommitStep | RemoveNicStep | SettleStep

const STEP_DEADLINE_MS = 30_000

/** The steps from what the kernel holds to what is desired; none where nothing differs. Pure: a
 *  compiler that is kept makes it cheaper and changes nothing.
 *  Errors: PUR_INVALID. */
export function planSteps(
  desired: NetfilterDesired,
  observed: NetfilterObserved,
  compiler: Pick<Compiler, 'compile'> = new Compiler(),
): readonly NetfilterStep[] {
  const compiled = compiler.compile(desired)
  const before = standings.get(compiler)
  const change = before && planChange(before, compiled, observed)
  if (change !== undefined) return [commitStep(change, compiled, observed, desired, new Map())]
  const variantOf = chooseVariants(compiled, observed)
  const wanted = hostObjects(compiled, variantOf)
  const removals = removalSteps(compiled, wanted, observed)
  const retained = mergeElements(removals.map((step) => step.elements))
  const changes = difference(wanted, observed, retained)
  if (isBroughtAbout(changes)) {
    const { chains, sets } = observed
    if (removals.length > 0) standings.delete(compiler)
    else standings.set(compiler, { compiled, wanted, variantOf, chains, sets })
    const isTidy = observed.settled && changes.remove.length === 0
    return isTidy ? removals : [settleStep(desired, changes), ...removals]
  }
  const affectedPorts = portsOf(compiled, changes)
  const whole = { wanted, changes, affectedPorts }
  return [commitStep(whole, compiled, observed, desired, retained), ...removals]
}

/** What stood whole when a compiler's rule set was last compared with the kernel. */
const standings = new WeakMap<Pick<Compiler, 'compile'>, Standing>()

function commitStep(
  { wanted, changes, affectedPorts }: PlannedChange,
  compiled: CompiledRuleset,
  observed: NetfilterObserved,
  desired: NetfilterDesired,
  retained: RetainedElements,
): CommitStep {
  return {
    verb: 'commit',
    summary: summaryOf(changes, compiled, affectedPorts, observed),
    requires: [],
    forbids: [],
    deadlineMs: STEP_DEADLINE_MS,
    difference: changes,
    wanted,
    desired,
    retained,
    affectedPorts,
    newPorts: newPortsOf(affectedPorts, observed),
  }
}

function newPortsOf(ports: readonly string[], observed: NetfilterObserved): readonly string[] {
  const known = new Set(observedNics(observed).map((nic) => nic.port))
  return ports.filter((port) => !known.has(port))
}

function settleStep(desired: NetfilterDesired, changes: Difference): SettleStep {
  return {
    verb: 'settle',
    summary: settleSummary(changes),
    requires: [],
    forbids: [],
    deadlineMs: STEP_DEADLINE_MS,
    difference: changes,
    desired,
  }
}

/** A step for each NIC that the kernel knows and nobody wants. Elements that no step names are
 *  strays, and leave with the commit. */
function removalSteps(
  compiled: CompiledRuleset,
  wanted: TableObjects,
  observed: NetfilterObserved,
): readonly RemoveNicStep[] {
  const ports = new Set(compiled.nics.map((nic) => nic.port))
  const zones = new Set(compiled.nics.map((nic) => nic.zone))
  const guards = turnElements(wanted, 'guard')
  return observedNics(observed)
    .filter((nic) => !ports.has(nic.port) && !guards.has(nic.tap))
    .map((nic) => {
      const reused = nic.zone === undefined || zones.has(nic.zone)
      const elements = reused
        ? new Map<string, ReadonlySet<string>>([['guard', new Set([nic.tap])]])
        : elementsOfZone(nic.tap, nic.zone, observed)
      const forbidden: readonly Fact[] = [fact('nic', nic.port, 'in-use')]
      return {
        verb: 'remove-nic',
        summary: `take the rules of ${nic.port} away; its tap ${nic.tap} is closed from then on`,
        requires: [],
        forbids: forbidden,
        deadlineMs: STEP_DEADLINE_MS,
        port: nic.port,
        elements,
      }
    })
}

function elementsOfZone(tap: string, zone: number, observed: NetfilterObserved): RetainedElements {
  const marks = new Set(Object.values(markClass).map((one) => String(one + zone)))
  const found = new Map<string, ReadonlySet<string>>([['guard', new Set([tap])]])
  for (const { name: map } of turnShapes) {
    if (map === 'guard') continue
    const keys = [...turnElements(observed, map)]
      .filter(([key, element]) =>
        map === 'nic-mark' ? (markOf(element) & ZONE_MASK) === zone : marks.has(key),
      )
      .map(([key]) => key)
    found.set(map, new Set(keys))
  }
  return found
}

function mergeElements(parts: readonly RetainedElements[]): RetainedElements {
  const merged = new Map<string, Set<string>>()
  for (const part of parts) {
    for (const [map, keys] of part) {
      const all = merged.get(map) ?? new Set<string>()
      for (const key of keys) all.add(key)
      merged.set(map, all)
    }
  }
  return merged
}
