/** What a suite found: real test cases, and for each that failed what there is to read. */
export interface Results {
  readonly passed: number
  readonly failures: readonly Failure[]
}

export interface Failure {
  readonly title: string
  readonly detail: string
}

const DETAIL_LINES_MAX = 40
/** The end of a title that says the case was skipped, or is still to be written. */
const DIRECTIVE = / # [A-Z]{4}\b/

/** Reads a TAP stream (version 13), or several in one text, with other lines between them. A case
 *  that is skipped or still to be written counts as neither. Pure. */
export function readTap(text: string): Results {
  const lines = withoutColour(text).split('\n')
  let passed = 0
  const failures: Failure[] = []
  for (const [index, line] of lines.entries()) {
    const match = /^(not )?ok \d+(?: - )?(.*)$/.exec(line)
    if (match === null) continue
    const [, not, title = ''] = match
    if (DIRECTIVE.test(title)) continue
    if (not === undefined) passed++
    else failures.push({ title, detail: detailAfter(lines, index) })
  }
  return { passed, failures }
}

/** Reads what `cargo test` prints, of several crates one after the other. Pure. */
export function readCargo(text: string): Results {
  const lines = withoutColour(text).split('\n')
  let passed = 0
  const failures: Failure[] = []
  for (const line of lines) {
    const match = /^test (.+?) \.\.\. (ok|FAILED)$/.exec(line)
    if (match?.[1] === undefined) continue
    if (match[2] === 'ok') passed++
    else failures.push({ title: match[1], detail: panicOf(lines, match[1]) })
  }
  return { passed, failures }
}

/** Several results as one. */
export function joinResults(all: readonly Results[]): Results {
  return {
    passed: all.reduce((sum, { passed }) => sum + passed, 0),
    failures: all.flatMap(({ failures }) => failures),
  }
}

/** The last lines of a text, for a failure that is all a program has said. */
export function lastLines(text: string, count = DETAIL_LINES_MAX): string {
  return withoutColour(text).trim().split('\n').slice(-count).join('\n')
}

function detailAfter(lines: readonly string[], index: number): string {
  const behind = lines.slice(index + 1)
  // What the case logged stands between its title and what went wrong.
  const rest = behind.slice(behind.findIndex((line) => !line.startsWith('#')))
  if (rest[0]?.trim() !== '---') return ''
  const end = rest.findIndex((line) => line.trim() === '...')
  return rest.slice(1, end === -1 ? DETAIL_LINES_MAX : Math.min(end, DETAIL_LINES_MAX)).join('\n')
}

function panicOf(lines: readonly string[], title: string): string {
  const start = lines.indexOf(`---- ${title} stdout ----`)
  if (start === -1) return ''
  const rest = lines.slice(start + 1, start + 1 + DETAIL_LINES_MAX)
  const end = rest.findIndex((line) => line.startsWith('---- ') || line === 'failures:')
  return rest
    .slice(0, end === -1 ? rest.length : end)
    .join('\n')
    .trim()
}

function withoutColour(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one.
  return text.replaceAll(/\x1b\[[0-9;]*m/g, '')
}
