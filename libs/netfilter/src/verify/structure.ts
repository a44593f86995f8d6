import { chainFault } from '../apply/health.ts'
import { sameShape } from '../apply/same.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { tableFamilies } from '../target/names.ts'
import { roleOf } from '../target/sets.ts'
import { type NamedSet, sameValue, type TableObjects } from '../target/statement.ts'
import type { VerifyFinding } from './verification.ts'

/** Chains of lists are compared by what they do, all others by what they are. */
const BY_MEANING = /^inet\/(?:list|open)-/
const LEADING_TO_LISTS: ReadonlySet<string> = new Set(['open', 'dispatch'])

/** What of the tables themselves, the base chains, guards, zones and marks is not as it is to be,
 *  and what stands there that nobody asked for. Pure. */
export function structureFindings(
  wanted: TableObjects,
  observed: NetfilterObserved,
): readonly VerifyFinding[] {
  const findings: VerifyFinding[] = []
  const report = (where: string, what: string): void => {
    findings.push({ where, what })
  }
  for (const table of tableFamilies) {
    if (!observed.tables.has(table)) report(`table ${table}`, 'is missing')
  }
  for (const text of observed.foreign) report(text, 'is none of ours')
  for (const [key, chain] of wanted.chains) {
    if (BY_MEANING.test(key)) continue
    const fault = chainFault(chain, observed)
    if (fault !== undefined) report(`chain ${key}`, fault)
  }
  for (const [key, chain] of observed.chains) {
    if (chain.hook !== undefined && !wanted.chains.has(key)) {
      report(`chain ${key}`, `is none of ours and sees packets at ${chain.hook.hook}`)
    }
  }
  for (const [key, set] of wanted.sets) {
    // What lists look up is part of what they mean.
    if (roleOf(set) !== 'turn' && roleOf(set) !== 'moving') continue
    const found = observed.sets.get(key)
    if (found === undefined) report(`set ${key}`, 'is missing')
    else if (!sameShape(found, set)) report(`set ${key}`, 'is of another type')
    else if (!LEADING_TO_LISTS.has(set.name)) {
      for (const [at, what] of elementFaults(set, found)) report(`map ${key} ${at}`, what)
    }
  }
  return findings
}

function elementFaults(wanted: NamedSet, found: NamedSet): readonly (readonly [string, string])[] {
  const faults: (readonly [string, string])[] = []
  for (const [at, element] of wanted.elements) {
    const there = found.elements.get(at)
    if (there === undefined) faults.push([at, 'is missing'])
    else if (!sameValue(there, element)) faults.push([at, 'leads elsewhere'])
  }
  for (const at of found.elements.keys()) {
    if (!wanted.elements.has(at)) faults.push([at, 'is not asked for'])
  }
  return faults
}
