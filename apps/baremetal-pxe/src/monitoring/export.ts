import { metricOf } from './exposition/parse.ts'

/** The newest values of an instance. `keys` are sorted. */
export interface ExportedInstance {
  readonly instance: string
  readonly chassis: string
  readonly keys: readonly string[]
  readonly values: Float64Array
}

const PIECE_CHARACTERS = 64 * 1024

/** Prometheus text of all instances, with the labels `instance` and `chassis`, in pieces: the
 *  series of a metric stand together, as the format wants it. What a metric is follows from its
 *  name, so that no instance can say otherwise: `…_total` is a counter. Pure. */
export function* exportMetrics(instances: readonly ExportedInstance[]): Generator<string> {
  const cursors = instances.map(({ instance, chassis, keys, values }) => ({
    labels: `instance="${instance}",chassis="${chassis}"`,
    keys,
    values,
    at: 0,
  }))
  let piece = ''
  for (let metric = first(cursors); metric !== undefined; metric = first(cursors)) {
    piece += `# TYPE ${metric} ${metric.endsWith('_total') ? 'counter' : 'gauge'}\n`
    const prefix = `${metric}{`
    for (const cursor of cursors) {
      for (
        let key = cursor.keys[cursor.at];
        key?.startsWith(prefix);
        key = cursor.keys[cursor.at]
      ) {
        const rest = key.length === prefix.length + 1 ? '}' : `,${key.slice(prefix.length)}`
        piece += `${prefix}${cursor.labels}${rest} ${numberText(cursor.values[cursor.at])}\n`
        cursor.at += 1
      }
      if (piece.length >= PIECE_CHARACTERS) {
        yield piece
        piece = ''
      }
    }
  }
  if (piece !== '') yield piece
}

/** The least metric that a cursor stands on, in the order of the keys. */
function first(cursors: readonly { keys: readonly string[]; at: number }[]): string | undefined {
  let least: string | undefined
  for (const { keys, at } of cursors) {
    const key = keys[at]
    if (key === undefined || (least !== undefined && key.startsWith(least))) continue
    const metric = `${metricOf(key)}{`
    if (least === undefined || metric < least) least = metric
  }
  return least?.slice(0, -1)
}

function numberText(value: number | undefined): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
