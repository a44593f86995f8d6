import { endingOf, type Finding, findLines, type Rule, type SourceFile } from './source-file.ts'

/** Names that say nothing; a file of such a name gathers whatever has no place. */
const EMPTY_NAMES = new Set(['data', 'info', 'manager', 'utils', 'util', 'helpers', 'helper'])
/** Put together here, or this file would be the first to be found. */
const UNFINISHED = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)
const ANY = /(:\s*|\bas\s+|<|\|\s*)any\b(?!\w)(?=\s*[;,)=>\]|}\n]|\[\]|$)/

export const nameRule: Rule = {
  title: 'no file or folder has an empty name such as utils or data',
  find: (files) =>
    files.flatMap(({ path }): Finding[] => {
      const empty = path
        .split('/')
        .flatMap((part) => part.replace(/\..*$/, '').split('-'))
        .find((word) => EMPTY_NAMES.has(word))
      return empty === undefined ? [] : [{ path, message: `${empty} says nothing` }]
    }),
}

export const unfinishedRule: Rule = {
  title: 'no word of unfinished work stands in a file',
  find: (files) =>
    files
      .filter(({ path }) => !path.endsWith('package-lock.json'))
      .flatMap((file) => findLines(file, (line) => UNFINISHED.exec(line)?.[0])),
}

export const anyRule: Rule = {
  title: 'no TypeScript value is of type any',
  find: (files) =>
    files
      .filter(({ path }) => endingOf(path) === 'ts')
      .flatMap((file) =>
        findLines(file, (line) => (ANY.test(withoutText(line)) ? 'any' : undefined)),
      ),
}

export const exportRule: Rule = {
  title: 'every export has a name; configurations of programs excepted',
  find: (files) =>
    files
      .filter(({ path }) => endingOf(path) === 'ts')
      .flatMap((file) =>
        findLines(file, (line) => (/^export default\b/.test(line) ? line.trim() : undefined)),
      ),
}

export const packageRule: Rule = {
  title: 'every package has its folder’s name, the licence, and is an ES module',
  find: (files) => files.filter(({ path }) => PACKAGE.test(path)).flatMap(checkPackage),
}

const PACKAGE = /^(?:(?:apps|libs)\/([^/]+)|(tools))\/package\.json$/

function checkPackage({ path, text }: SourceFile): readonly Finding[] {
  const match = PACKAGE.exec(path)
  const manifest = JSON.parse(text) as Record<string, unknown>
  const wanted = {
    name: `@purlin/${match?.[1] ?? match?.[2]}`,
    license: 'Apache-2.0',
    type: 'module',
  }
  return Object.entries(wanted)
    .filter(([field, value]) => manifest[field] !== value)
    .map(([field, value]) => ({ path, message: `${field} must be ${value}` }))
}

/** A text without its comments and strings, as far as one line tells. */
function withoutText(line: string): string {
  if (/^\s*(\*|\/\*)/.test(line)) return ''
  return line.replaceAll(/'[^']*'|"[^"]*"|`[^`]*`/g, "''").replace(/\/\/.*$/, '')
}
