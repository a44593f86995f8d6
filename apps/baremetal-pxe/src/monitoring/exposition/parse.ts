import { failure, type Result, success } from '@purlin/base'

/** What a push may hold at most. */
export const expositionLimits = {
  bytes: 1024 * 1024,
  series: 5000,
  labels: 32,
  nameCharacters: 200,
  labelCharacters: 1024,
} as const

/** One value. `key` is `metric{name="value",…}`, always with braces, labels in the order of their
 *  names, values escaped as they stand in the text. */
export interface Sample {
  readonly key: string
  readonly value: number
}

/** Why a text is refused, and on which line, from 1. */
export interface ExpositionProblem {
  readonly line: number
  readonly reason: string
}

/** What is kept; everything else that an exporter tells of itself is passed over. */
const KEPT = /^(node|purlin_bm_agent)_/
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y
const LABEL_VALUE = /"((?:[^"\\\n]|\\["\\n])*)"/y
const REST = /[ \t]+([^ \t]+)(?:[ \t]+(-?[0-9]{1,17}))?[ \t]*$/y
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$/
const WORDS: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Inf', Number.POSITIVE_INFINITY],
  ['+Inf', Number.POSITIVE_INFINITY],
  ['-Inf', Number.NEGATIVE_INFINITY],
])

/** Labels that the server adds itself; a pushed one gives way, as it does in Prometheus. */
const OWN_LABELS: ReadonlySet<string> = new Set(['instance', 'chassis'])

/** Reads Prometheus' text format 0.0.4. Total: any bytes are read or refused, within the limits.
 *  Times in the text are passed over. The samples are in the order of their keys. Pure.
 *  Source: Prometheus documentation, exposition formats. */
export function parseExposition(bytes: Uint8Array): Result<readonly Sample[], ExpositionProblem> {
  if (bytes.length > expositionLimits.bytes) {
    return refuse(0, `it has ${bytes.length} bytes, more than ${expositionLimits.bytes}`)
  }
  const text = decode(bytes)
  if (text === undefined) return refuse(0, 'it is no UTF-8')
  const samples = new Map<string, number>()
  let line = 0
  for (let start = 0; start < text.length; ) {
    line += 1
    const end = text.indexOf('\n', start)
    const content = text.slice(start, end === -1 ? text.length : end)
    start = end === -1 ? text.length : end + 1
    if (isComment(content)) continue
    const sample = readSample(content)
    if (typeof sample === 'string') return refuse(line, sample)
    if (!KEPT.test(sample.key)) continue
    if (samples.has(sample.key)) return refuse(line, 'its series stands there twice')
    if (samples.size === expositionLimits.series) {
      return refuse(line, `there are more than ${expositionLimits.series} series`)
    }
    samples.set(sample.key, sample.value)
  }
  const sorted = [...samples].map(([key, value]) => ({ key, value }))
  return success(sorted.sort((a, b) => (a.key < b.key ? -1 : 1)))
}

/** Labels by name, out of a key that {@link parseExposition} made. Pure. */
export function labelsOf(key: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  let at = key.indexOf('{') + 1
  while (at > 0 && at < key.length - 1) {
    const read = readLabel(key, at)
    if (read === undefined) break
    labels[read.name] = unescapeValue(read.value)
    at = read.end + 1
  }
  return labels
}

/** The metric's name of a key. Pure. */
export function metricOf(key: string): string {
  return key.slice(0, key.indexOf('{'))
}

function refuse(line: number, reason: string): Result<never, ExpositionProblem> {
  return failure({ line, reason })
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function isComment(content: string): boolean {
  const first = content.trimStart()
  return first === '' || first.startsWith('#')
}

/** A sample, or why the line is none. */
function readSample(line: string): Sample | string {
  NAME.lastIndex = 0
  const [metric] = NAME.exec(line) ?? []
  if (metric === undefined) return 'it begins with no name'
  if (metric.length > expositionLimits.nameCharacters) return 'its name is too long'
  const labels = line[metric.length] === '{' ? readLabels(line, metric.length + 1) : NO_LABELS
  if (typeof labels === 'string') return labels
  REST.lastIndex = Math.max(labels.end, metric.length)
  const value = numberOf(REST.exec(line)?.[1])
  if (value === undefined) return 'it has no value'
  return { key: `${metric}{${labels.text}}`, value }
}

const NO_LABELS = { text: '', end: 0 } as const

/** The labels from `at` to behind the closing brace, in the order of their names. */
function readLabels(line: string, at: number): { text: string; end: number } | string {
  const labels: { name: string; value: string }[] = []
  let end = at
  while (line[end] !== '}') {
    const label = readLabel(line, end)
    if (label === undefined) return 'a label is not NAME="VALUE"'
    if (label.value.length > expositionLimits.labelCharacters) return 'a label is too long'
    const name = OWN_LABELS.has(label.name) ? `exported_${label.name}` : label.name
    if (labels.some((other) => other.name === name)) return 'a label stands there twice'
    if (labels.length === expositionLimits.labels) return 'it has too many labels'
    labels.push({ name, value: label.value })
    end = label.end
    if (line[end] === ',') end += 1
    else if (line[end] !== '}') return 'a label is not followed by a comma or a brace'
  }
  labels.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { text: labels.map(({ name, value }) => `${name}="${value}"`).join(','), end: end + 1 }
}

function readLabel(
  text: string,
  at: number,
): { name: string; value: string; end: number } | undefined {
  LABEL.lastIndex = at
  const [name] = LABEL.exec(text) ?? []
  if (name === undefined || text[at + name.length] !== '=') return undefined
  LABEL_VALUE.lastIndex = at + name.length + 1
  const value = LABEL_VALUE.exec(text)?.[1]
  return value === undefined ? undefined : { name, value, end: LABEL_VALUE.lastIndex }
}

function unescapeValue(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
}

function numberOf(word: string | undefined): number | undefined {
  if (word === undefined) return undefined
  return WORDS.get(word) ?? (NUMBER.test(word) ? Number(word) : undefined)
}
