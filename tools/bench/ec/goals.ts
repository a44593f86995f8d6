import { geometricMean } from './measure.ts'
import type { NodeFigures } from './node-figures.ts'
import { type Row, ratios, rowsOf } from './rows.ts'

/** A goal and what was found; `found` is absent where a side of it could not be measured. */
export interface Goal {
  readonly name: string
  readonly wanted: number
  /** Whether the figure must not exceed the goal; else it must not be less. */
  readonly atMost: boolean
  readonly found: number | undefined
}

/** Whether a goal is reached; undefined when it was not run. Pure. */
export function isMet({ wanted, atMost, found }: Goal): boolean | undefined {
  if (found === undefined) return undefined
  return atMost ? found <= wanted : found >= wanted
}

/** Every goal, on the geometric means of the cases that were run. Those on the fastest kernel ask
 *  for a processor with GFNI and AVX-512. Pure. */
export function judge(rows: readonly Row[], node: NodeFigures, hasGfni: boolean): readonly Goal[] {
  const of = (operation: Row['operation'], cold = false) => rowsOf(rows, operation, { cold })
  const mean = (kind: readonly Row[], column: string, over: string): number | undefined =>
    hasGfni || column === 'avx2' ? geometricMean(ratios(kind, column, over)) : undefined
  const least = (kind: readonly Row[], over: string): number | undefined => {
    const all = ratios(kind, 'purlin', over)
    return hasGfni && all.length > 0 ? Math.min(...all) : undefined
  }
  const atLeast = (name: string, wanted: number, found: number | undefined): Goal => {
    return { name, wanted, atMost: false, found }
  }
  const atMost = (name: string, wanted: number, found: number | undefined): Goal => {
    return { name, wanted, atMost: true, found }
  }
  return [
    atLeast('encode over ISA-L 2.31', 1.35, mean(of('enc'), 'purlin', 'isal')),
    atLeast('decode over ISA-L 2.31', 1.2, mean(of('dec'), 'purlin', 'isal')),
    atLeast('encode over ISA-L 2.31, least case', 0.95, least(of('enc'), 'isal')),
    atLeast('decode over ISA-L 2.31, least case', 0.95, least(of('dec'), 'isal')),
    atLeast('encode over Debian’s ISA-L', 2.4, mean(of('enc'), 'purlin', 'debian-isal')),
    atLeast('decode over Debian’s ISA-L', 2.2, mean(of('dec'), 'purlin', 'debian-isal')),
    atLeast('encode over klauspost', 1.5, mean(of('enc'), 'purlin', 'klauspost')),
    atLeast('decode over klauspost', 1.5, mean(of('dec'), 'purlin', 'klauspost')),
    atLeast('encode over the limit', 0.9, mean(of('enc'), 'purlin', 'limit')),
    atLeast('decode over the limit', 0.85, mean(of('dec'), 'purlin', 'limit')),
    atLeast('repair of one over the limit', 0.95, mean(of('rep'), 'purlin', 'limit')),
    atLeast('cold encode, streaming, over ISA-L', 1.1, mean(of('enc', true), 'stream', 'isal')),
    atLeast('cold decode, streaming, over ISA-L', 1.1, mean(of('dec', true), 'stream', 'isal')),
    atLeast('AVX2 encode over Debian’s ISA-L', 1, mean(of('enc'), 'avx2', 'debian-isal')),
    atLeast('AVX2 decode over Debian’s ISA-L', 1, mean(of('dec'), 'avx2', 'debian-isal')),
    atMost('Node 4+2 4K call above the kernel, ns', 200, node.call?.aboveKernelNs),
    atMost('Node 4+2 64K batch over the kernel, time', 1.05, node.batch?.overKernel),
    atLeast('Node over @ronomon at 4K', 20, overRonomon(node, 4096)),
    atLeast('Node over @ronomon at 1M', 3, overRonomon(node, 2 ** 20)),
  ]
}

function overRonomon({ peers }: NodeFigures, sizeBytes: number): number | undefined {
  return geometricMean(
    peers.filter((peer) => peer.sizeBytes === sizeBytes).map(({ overRonomon }) => overRonomon),
  )
}
