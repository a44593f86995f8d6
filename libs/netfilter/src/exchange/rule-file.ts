import type { FileNote, ImportFormat } from '@purlin/schema'
import type { Direction } from '../policy/desired.ts'

/** A place in a file: its line from 1, and the path of the field as the file names it. */
export interface FilePlace {
  readonly line: number
  readonly path: string
}

/** A rule as it was read from a file, not yet checked against the schema. */
export interface FileRule extends FilePlace {
  readonly direction: Direction
  readonly rule: Readonly<Record<string, unknown>>
  /** Where a field of the rule comes from; `field` as problems name it: `source.cidrs[1]`. */
  placeOf(field: string): FilePlace
}

/** A file of rules after reading: its rules in their order, and all that it says and we cannot. */
export interface RuleFile {
  readonly format: ImportFormat
  /** Absent: the file does not speak of the members rule. */
  readonly allowWithinGroup?: boolean
  readonly rules: readonly FileRule[]
  readonly problems: readonly FileNote[]
}

/** How the names of groups in a file are to be understood. */
export interface ReadOptions {
  readonly format?: ImportFormat | undefined
  /** By a group's name or identifier in the file, its name here; `self`: the group itself. */
  readonly groups: ReadonlyMap<string, string>
  /** Which group of a file that has several. */
  readonly from?: string | undefined
}

/** Gathers what is wrong with a file while it is read. */
export class Problems {
  readonly found: FileNote[] = []

  add({ line, path }: FilePlace, message: string): void {
    this.found.push({ line, path, message })
  }
}

/** The peer of a rule for a group of another installation, or undefined (and a problem) where
 *  nobody said which it is here. */
export function mappedGroup(
  identifier: string,
  options: ReadOptions,
  place: FilePlace,
  problems: Problems,
): { readonly self: true } | { readonly groups: readonly [string] } | undefined {
  const name = options.groups.get(identifier)
  if (name === 'self') return { self: true }
  if (name !== undefined) return { groups: [name] }
  problems.add(
    place,
    `group ${identifier} of the file is not known here; say which it is: ${identifier}=NAME, or ${identifier}=self`,
  )
  return undefined
}
