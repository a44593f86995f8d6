import { type Fact, fact, type LaneStep } from '@purlin/base'
import { affectedPorts as portsOf } from './affected.ts'
import { type ChangedSets, madeOf } from './apply/applied.ts'
import {
  type Difference,
  difference,
  isBroughtAbout,
  type RetainedElements,
} from './apply/difference.ts'
import { leftoverChanges } from './apply/leftovers.ts'
import { chooseVariants } from './apply/variants.ts'
import { Compiler } from './compile/compiler.ts'
import { type CompiledRuleset, type KeptClasses, keptClasses } from './compile/ruleset.ts'
import { type NetfilterObserved, turnElements } from './observe/observed.ts'
import { markOf, observedNics, observedPorts } from './observe/status.ts'
import {
  asideAfter,
  isSameRuleset,
  type PlannedChange,
  planChange,
  type Standing,
  stillStands,
} from './plan-change.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { settleSummary, summaryOf } from './summary.ts'
import { hostObjects, variantIn } from './target/host-objects.ts'
import { markClass, ZONE_MASK } from './target/names.ts'
import { turnShapes } from './target/sets.ts'
import type { TableObjects } from './target/statement.ts'

/** Brings the kernel to the desired rule set: new chains and sets aside, then the flip. NICs that
 *  are to go stay as they are. */
export interface CommitStep extends LaneStep {
  readonly verb: 'commit'
  readonly difference: Difference
  readonly wanted: TableObjects
  readonly changed: ChangedSets
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
  readonly classes: KeptClasses
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
  const standing = standingOf(compiler, compiled, observed)
  if (standing !== undefined) {
    if (isSameRuleset(standing.compiled, compiled)) {
      return settleSteps(desired, compiled, standing.tidying, observed)
    }
    const change = planChange(standing, compiled, observed)
    if (change !== undefined) {
      if (standing.isTidy) plans.set(compiler, { ...change, compiled })
      return [commitStep(change, compiled, observed, desired, new Map())]
    }
  }
  const variants = chooseVariants(compiled, observed)
  const wanted = hostObjects(compiled, variantIn(variants))
  const removals = removalSteps(compiled, wanted, observed)
  const retained = mergeElements(removals.map((step) => step.elements))
  const aside = standing && asideAfter(standing, compiled)
  const changes = difference(wanted, observed, retained, aside)
  if (isBroughtAbout(changes)) {
    const { chains, sets } = observed
    const isTidy = changes.remove.length === 0
    const found = { compiled, wanted, variants, chains, sets, isTidy, tidying: changes }
    if (removals.length > 0) standings.delete(compiler)
    else standings.set(compiler, found)
    return [...settleSteps(desired, compiled, changes, observed), ...removals]
  }
  const affectedPorts = portsOf(compiled, changes)
  const changed = { sets: wanted.sets, isAlone: false }
  const whole = { wanted, changed, changes, affectedPorts }
  return [commitStep(whole, compiled, observed, desired, retained), ...removals]
}

/** What stood whole when a compiler's rule set was last compared with the kernel, and what is to be
 *  tidied up beside it. */
interface Found extends Standing {
  readonly tidying: Difference
}

const standings = new WeakMap<Pick<Compiler, 'compile'>, Found>()

/** The last change that was planned onto nothing but a rule set that stood whole. */
const plans = new WeakMap<
  Pick<Compiler, 'compile'>,
  PlannedChange & { readonly compiled: CompiledRuleset }
>()

/** The rule set that is known to stand, without a comparison: nothing has changed since one, or
 *  nothing but what was planned. */
function standingOf(
  compiler: Pick<Compiler, 'compile'>,
  compiled: CompiledRuleset,
  observed: NetfilterObserved,
): Found | undefined {
  const known = standings.get(compiler)
  if (known !== undefined && stillStands(known, observed)) return known
  const plan = plans.get(compiler)
  const made = madeOf(observed)
  if (plan === undefined || made?.wanted !== plan.wanted) return undefined
  if (!isSameRuleset(plan.compiled, compiled)) return undefined
  const { wanted, variants, leftovers } = plan
  const { chains, sets } = observed
  const remove = [...plan.changes.remove, ...leftoverChanges(leftovers)]
  const isTidy = made.isTidy || remove.length === 0
  const tidying = isTidy ? NOTHING_DIFFERS : { ...NOTHING_DIFFERS, remove, leftovers }
  const found = { compiled, wanted, variants, chains, sets, isTidy, tidying }
  standings.set(compiler, found)
  return found
}

const NOTHING_DIFFERS: Difference = {
  aside: [],
  flip: [],
  classes: [],
  remove: [],
  leftovers: { chains: new Set(), sets: new Set() },
  faults: new Map(),
}

function settleSteps(
  desired: NetfilterDesired,
  compiled: CompiledRuleset,
  changes: Difference,
  observed: NetfilterObserved,
): readonly SettleStep[] {
  const isTidy = observed.settled && changes.remove.length === 0
  return isTidy ? [] : [settleStep(desired, compiled, changes)]
}

function commitStep(
  planned: Pick<PlannedChange, 'wanted' | 'changed' | 'changes' | 'affectedPorts'>,
  compiled: CompiledRuleset,
  observed: NetfilterObserved,
  desired: NetfilterDesired,
  retained: RetainedElements,
): CommitStep {
  const { wanted, changed, changes, affectedPorts } = planned
  return {
    verb: 'commit',
    summary: summaryOf(changes, compiled, affectedPorts, observed),
    requires: [],
    forbids: [],
    deadlineMs: STEP_DEADLINE_MS,
    difference: changes,
    wanted,
    changed,
    desired,
    retained,
    affectedPorts,
    newPorts: newPortsOf(affectedPorts, observed),
  }
}

function newPortsOf(ports: readonly string[], observed: NetfilterObserved): readonly string[] {
  const known = observedPorts(observed)
  return ports.filter((port) => !known.has(port))
}

function settleStep(
  desired: NetfilterDesired,
  compiled: CompiledRuleset,
  changes: Difference,
): SettleStep {
  return {
    verb: 'settle',
    summary: settleSummary(changes),
    requires: [],
    forbids: [],
    deadlineMs: STEP_DEADLINE_MS,
    difference: changes,
    desired,
    classes: keptClasses(compiled),
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
