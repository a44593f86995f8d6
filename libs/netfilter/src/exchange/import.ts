import { PurlinError } from '@purlin/base'
import {
  type FileNote,
  type ImportPlan,
  type InboundRule,
  inboundRule,
  type OutboundRule,
  outboundRule,
  problemsOfIssue,
  type SecurityGroupSpec,
} from '@purlin/schema'
import { shadowedRules } from '../analyse/shadow.ts'
import type { Direction } from '../policy/desired.ts'
import { contentOf } from '../rules/identify.ts'
import { readRuleFile } from './read.ts'
import { type FileRule, Problems, type ReadOptions, type RuleFile } from './rule-file.ts'

/** What an import is asked to do. */
export interface ImportRequest extends ReadOptions {
  readonly text: string
  readonly fileName: string
  readonly replace: boolean
  readonly keepRedundant: boolean
}

/** What an import is judged by. */
export interface ImportGrounds {
  readonly name: string
  readonly spec: SecurityGroupSpec
  hasGroup(name: string): boolean
}

/** The group as it would be, and what the caller is told. */
export interface PlannedImport {
  readonly spec: SecurityGroupSpec
  readonly plan: ImportPlan
}

type AnyRule = InboundRule | OutboundRule

/** A rule of the file that fits the schema. */
interface Checked {
  readonly from: FileRule
  readonly rule: AnyRule
}

const DIRECTIONS = ['inbound', 'outbound'] as const

/** Checks a file of rules as a whole and makes the group of it: its rules instead of those there
 *  are, or behind them. Rules that are there twice or can never match are problems, too, unless
 *  they are asked for. Pure. Errors: PUR_INVALID with the line of every problem. */
export function planImport(request: ImportRequest, grounds: ImportGrounds): PlannedImport {
  const file = readRuleFile(request.text, request)
  const problems = new Problems()
  problems.found.push(...file.problems)
  const redundant = new Problems()
  const checked = file.rules.flatMap((rule) => checkRule(rule, request, grounds, problems) ?? [])
  checkIds(checked, request, grounds, problems)
  findDuplicates(checked, request, grounds, redundant)
  const spec = merged(file, checked, request, grounds)
  // What never matches follows from all rules, so it is told once each of them is known.
  if (problems.found.length === 0) findNeverMatching(spec, checked, request, grounds, redundant)
  if (!request.keepRedundant) problems.found.push(...redundant.found)
  if (problems.found.length > 0) throw refused(request.fileName, problems.found)
  return { spec, plan: planOf(file, spec, checked, request, grounds, inOrder(redundant.found)) }
}

function checkRule(
  from: FileRule,
  { groups }: ImportRequest,
  grounds: ImportGrounds,
  problems: Problems,
): Checked | undefined {
  const schema = from.direction === 'inbound' ? inboundRule : outboundRule
  const result = schema.safeParse(from.rule)
  if (!result.success) {
    for (const { path, message } of result.error.issues.flatMap((one) =>
      problemsOfIssue(one, []),
    )) {
      problems.add(from.placeOf(path), message)
    }
    return undefined
  }
  const rule = renamed(result.data, groups)
  const peer = 'source' in rule ? rule.source : 'destination' in rule ? rule.destination : undefined
  const side = from.direction === 'inbound' ? 'source' : 'destination'
  for (const [index, name] of (peer?.groups ?? []).entries()) {
    if (grounds.hasGroup(name)) continue
    problems.add(
      from.placeOf(`${side}.groups[${index}]`),
      `no SecurityGroup named ${name}; make it first, or say which it is: ${name}=NAME`,
    )
  }
  return { from, rule }
}

/** The rule with the names that its groups have here. */
function renamed<Rule extends AnyRule>(rule: Rule, names: ReadonlyMap<string, string>): Rule {
  const side = 'source' in rule ? 'source' : 'destination'
  const peer = side in rule ? (rule as InboundRule & OutboundRule)[side] : undefined
  if (peer === undefined || !peer.groups.some((name) => names.has(name))) return rule
  const self = peer.self || peer.groups.some((name) => names.get(name) === 'self')
  const others = peer.groups
    .filter((name) => names.get(name) !== 'self')
    .map((name) => names.get(name) ?? name)
  return { ...rule, [side]: { ...peer, groups: [...new Set(others)], self } }
}

function checkIds(
  checked: readonly Checked[],
  { replace }: ImportRequest,
  { name, spec }: ImportGrounds,
  problems: Problems,
): void {
  const holders = new Map<string, string>()
  for (const direction of replace ? [] : DIRECTIONS) {
    spec[direction].forEach(({ id }, index) => {
      if (id !== undefined) holders.set(id, `the ${direction} rule ${index} of ${name}`)
    })
  }
  for (const { from, rule } of checked) {
    if (rule.id === undefined) continue
    const holder = holders.get(rule.id)
    if (holder === undefined) holders.set(rule.id, `line ${from.line}`)
    else problems.add(from.placeOf('id'), `id ${rule.id} is that of ${holder}; leave it out`)
  }
}

function findDuplicates(
  checked: readonly Checked[],
  { replace }: ImportRequest,
  { name, spec }: ImportGrounds,
  redundant: Problems,
): void {
  for (const direction of DIRECTIONS) {
    const seen = new Map<string, string>()
    const standing: readonly AnyRule[] = replace ? [] : spec[direction]
    standing.forEach((rule, index) => {
      seen.set(meaningOf(rule), `the ${direction} rule ${index} of ${name}`)
    })
    for (const { from, rule } of checked.filter((one) => one.from.direction === direction)) {
      const meaning = meaningOf(rule)
      const earlier = seen.get(meaning)
      if (earlier === undefined) seen.set(meaning, `line ${from.line}`)
      else redundant.add(from, `duplicate: the same rule as ${earlier}`)
    }
  }
}

/** What a rule says to packets; words for people are no part of it. */
function meaningOf(rule: AnyRule): string {
  const { description: _description, ...rest } = rule
  return contentOf(rest)
}

function findNeverMatching(
  spec: SecurityGroupSpec,
  checked: readonly Checked[],
  request: ImportRequest,
  grounds: ImportGrounds,
  redundant: Problems,
): void {
  const told = new Set(redundant.found.map(({ line, path }) => `${line} ${path}`))
  for (const direction of DIRECTIONS) {
    const own = checked.filter(({ from }) => from.direction === direction)
    const before = request.replace ? 0 : grounds.spec[direction].length
    for (const { priority, why, by } of shadowedRules(spec, direction, grounds.name)) {
      const from = own[priority - before]?.from
      if (from === undefined || told.has(`${from.line} ${from.path}`)) continue
      const lines = by.flatMap((one) => own[one === 'members' ? -1 : one - before]?.from.line ?? [])
      const named = lines.length === 0 ? '' : ` (line ${[...new Set(lines)].join(', ')})`
      redundant.add(from, `never matches: ${why}${named}`)
    }
  }
}

function merged(
  file: RuleFile,
  checked: readonly Checked[],
  { replace }: ImportRequest,
  { spec }: ImportGrounds,
): SecurityGroupSpec {
  const of = (direction: Direction): AnyRule[] => [
    ...(replace ? [] : spec[direction]),
    ...checked.filter(({ from }) => from.direction === direction).map(({ rule }) => rule),
  ]
  return {
    ...spec,
    allowWithinGroup: file.allowWithinGroup ?? spec.allowWithinGroup,
    inbound: of('inbound'),
    outbound: of('outbound'),
  }
}

function planOf(
  { format }: RuleFile,
  spec: SecurityGroupSpec,
  checked: readonly Checked[],
  { replace }: ImportRequest,
  grounds: ImportGrounds,
  notes: readonly FileNote[],
): ImportPlan {
  const added = (direction: Direction): number =>
    checked.filter(({ from }) => from.direction === direction).length
  return {
    format,
    add: { inbound: added('inbound'), outbound: added('outbound') },
    remove: {
      inbound: replace ? grounds.spec.inbound.length : 0,
      outbound: replace ? grounds.spec.outbound.length : 0,
    },
    allowWithinGroup: spec.allowWithinGroup,
    notes: [...notes],
    inbound: spec.inbound,
    outbound: spec.outbound,
  }
}

function refused(fileName: string, found: readonly FileNote[]): PurlinError {
  const problems = inOrder(found)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new PurlinError('PUR_INVALID', {
    message: `${fileName} has ${count}; nothing was applied`,
    problems,
  })
}

/** In the order of the text; what was found twice is told once. */
function inOrder(notes: readonly FileNote[]): FileNote[] {
  const unique = new Map(notes.map((note) => [`${note.line} ${note.path} ${note.message}`, note]))
  return [...unique.values()].toSorted((a, b) => a.line - b.line)
}
