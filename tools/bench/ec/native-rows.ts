import type { Progress } from '../../setup/progress.ts'
import {
  coldStripes,
  OPERATIONS,
  type Operation,
  requestLine,
  type Shape,
  shapeName,
} from './cases.ts'
import { type Job, measureJobs, type Readings } from './measure.ts'
import type { EcOptions } from './options.ts'
import type { Row } from './rows.ts'
import type { Worker } from './worker.ts'

/** The processes of a run. `own` is Purlin's worker by what it was told to be. */
export interface Workers {
  readonly limit: Worker
  readonly peers: readonly Worker[]
  readonly own: {
    readonly purlin: Worker
    readonly cauchy: Worker
    readonly stream: Worker
    /** One a kernel that this processor has, by the kernel's name. */
    readonly kernels: readonly Worker[]
  }
}

/** Passes of the limit worker; those that the processor lacks are left out by it. Streaming stores
 *  leave the result outside of the caches, which is another work: they count where it is cold. */
const HOT_PASSES = ['memcpy', 'plain', 'z64', 'z128', 'z256', 'z512', 'y32', 'y64', 'y128', 'y256']
const COLD_PASSES = ['memcpy', 'plain', 'z64', 'z256', 'y128', 's256']
/** What a library of one loop for all codes can be held against. */
const PLAIN: ReadonlySet<string> = new Set(['memcpy', 'plain'])
const COLD_OPERATIONS: readonly Operation[] = ['enc', 'dec']

/** Hot: one stripe, again and again. All operations, all sides, and the limit. */
export async function measureHot(
  workers: Workers,
  options: EcOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ rows: readonly Row[]; wrong: readonly string[] }> {
  const { own, peers, limit } = workers
  const sides = [own.purlin, own.cauchy, ...peers]
  return await measureShapes('hot', options, progress, signal, (shape) => {
    const line = (operation: string): string => requestLine(operation, shape, 1, options.sliceMs)
    const jobs = OPERATIONS.flatMap((operation) =>
      sides.map(
        (worker): Job => ({
          key: `${operation} ${worker.name}`,
          worker,
          line: line(operation),
        }),
      ),
    )
    const kernels = COLD_OPERATIONS.flatMap((operation) =>
      own.kernels.map(
        (worker): Job => ({
          key: `${operation} ${worker.name}`,
          worker,
          line: line(operation),
        }),
      ),
    )
    return [...jobs, ...kernels, ...hotLimitJobs(limit, shape, options.sliceMs)]
  })
}

/** Cold: a ring of stripes larger than the caches; here Purlin's streaming stores take part. */
export async function measureCold(
  { own, peers, limit }: Workers,
  options: EcOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ rows: readonly Row[]; wrong: readonly string[] }> {
  const inNode = new Set(['ronomon', 'simd'])
  const sides = [own.purlin, own.stream, ...peers.filter(({ name }) => !inNode.has(name))]
  return await measureShapes('cold', options, progress, signal, (shape) => {
    const line = (operation: string): string =>
      requestLine(operation, shape, coldStripes(shape), options.sliceMs)
    const ofSides = COLD_OPERATIONS.flatMap((operation) =>
      sides.map(
        (worker): Job => ({
          key: `${operation} ${worker.name}`,
          worker,
          line: line(operation),
        }),
      ),
    )
    const passes = COLD_PASSES.map((pass) => ({
      key: `limit ${pass}`,
      worker: limit,
      line: line(pass),
    }))
    return [...ofSides, ...passes]
  })
}

/** What the machine allows: for encoding and decoding m shards are written, for a repair one. */
function hotLimitJobs(worker: Worker, shape: Shape, sliceMs: number): readonly Job[] {
  const forms = [
    { name: 'limit', shape },
    ...(shape.m === 1 ? [] : [{ name: 'limit-of-one', shape: { ...shape, m: 1 } }]),
  ]
  return forms.flatMap(({ name, shape }) =>
    HOT_PASSES.map((pass) => ({
      key: `${name} ${pass}`,
      worker,
      line: requestLine(pass, shape, 1, sliceMs),
    })),
  )
}

async function measureShapes(
  name: 'hot' | 'cold',
  { shapes, rounds }: EcOptions,
  progress: Progress,
  signal: AbortSignal,
  jobsOf: (shape: Shape) => readonly Job[],
): Promise<{ rows: readonly Row[]; wrong: readonly string[] }> {
  const rows: Row[] = []
  const wrong: string[] = []
  await progress.step(`${name}: ${shapes.length} cases, ${rounds} rounds`, async (tell) => {
    for (const [index, shape] of shapes.entries()) {
      tell(`${shapeName(shape)} (${index + 1} of ${shapes.length})`)
      const readings = await measureJobs(jobsOf(shape), rounds, signal)
      wrong.push(...readings.wrong)
      rows.push(...rowsOfShape(shape, name === 'cold', readings))
    }
    tell(`${shapes.length} cases measured`)
  })
  return { rows, wrong }
}

/** Parts the readings of a case by operation. Keys are `OPERATION COLUMN` and `limit PASS`.
 *  Pure. */
export function rowsOfShape(shape: Shape, cold: boolean, { byKey }: Readings): readonly Row[] {
  const readingsOf = (word: string): [string, Row['readings'][string]][] =>
    Object.entries(byKey).flatMap(([key, reading]) =>
      key.startsWith(`${word} `) ? [[key.slice(word.length + 1), reading]] : [],
    )
  return OPERATIONS.flatMap((operation): Row[] => {
    const readings = Object.fromEntries(readingsOf(operation))
    if (Object.keys(readings).length === 0) return []
    const wide = operation === 'enc' || operation === 'dec'
    const passes = readingsOf(wide || shape.m === 1 ? 'limit' : 'limit-of-one')
    const [best] = passes.toSorted(([, a], [, b]) => b.rate - a.rate)
    const isBounded = best !== undefined && operation !== 'upd'
    const plain = passes.filter(([pass]) => PLAIN.has(pass)).map(([, { rate }]) => rate)
    const limit = isBounded
      ? { limit: { rate: best[1].rate, pass: best[0], plainRate: Math.max(...plain) } }
      : {}
    return [{ ...shape, operation, cold, readings, ...limit }]
  })
}
