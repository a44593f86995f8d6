import { endingOf, findLines, type Rule } from './source-file.ts'

export const LINES_MAX = 600
export const COLUMNS_MAX = 100

const LONG_BY_NATURE =
  /(^|\/)(package-lock\.json|Cargo\.lock|openapi\.json)$|\.snap$|(^|\/)(snapshots|fixtures)\//
const CODE = new Set(['ts', 'rs', 'sh', 'js', 'mjs'])

/** No file that nobody can hold in mind. */
export const lengthRule: Rule = {
  title: `no text file has more than ${LINES_MAX} lines`,
  find: (files) =>
    files
      .filter(({ path }) => !LONG_BY_NATURE.test(path))
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX)
      .map(({ path, lines }) => ({ path, message: `${lines} lines; cut it by nouns or verbs` })),
}

/** Code that two windows side by side can show. */
export const widthRule: Rule = {
  title: `no line of code has more than ${COLUMNS_MAX} columns`,
  find: (files) =>
    files
      .filter(({ path }) => CODE.has(endingOf(path)) || path === 'purlin' || path === '.ci/run')
      .filter(({ path }) => !LONG_BY_NATURE.test(path))
      .flatMap((file) =>
        findLines(file, (line) => {
          const columns = [...line].length
          return columns > COLUMNS_MAX && !unbreakable(line) ? `${columns} columns` : undefined
        }),
      ),
}

/** A line whose width is one word or a long string, which no line break could shorten. */
function unbreakable(line: string): boolean {
  return /^\s*\S+$/.test(line) || /(['"`])(?:(?!\1).){60,}\1/.test(line)
}
