import { quantile } from '../quantile.ts'
import type { FirstPacketRow } from './findings.ts'
import { CABLE, NicPath, TAP } from './path.ts'
import { type HostLists, type Peer, peers } from './peers.ts'
import { purlinSides } from './purlin.ts'
import { plainRules } from './rules.ts'

/** NICs and rules a NIC. */
export interface Case {
  readonly nics: number
  readonly rules: number
}

export const cases: readonly Case[] = [
  { nics: 1, rules: 10 },
  { nics: 1, rules: 100 },
  { nics: 1, rules: 1_000 },
  { nics: 1, rules: 10_000 },
  { nics: 100, rules: 100 },
]

const SEED = 5

/** The lists of a case; the NIC that is measured is the last, the others have devices that are not
 *  there. */
export function hostLists({ nics, rules }: Case): HostLists {
  return {
    lists: Array.from({ length: nics }, (_, index) => plainRules(rules, SEED + index)),
    taps: [...absent('tap', nics - 1), TAP],
    cables: [...absent('cable', nics - 1), CABLE],
  }
}

function absent(what: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${what}-${index}`)
}

/** Long lists are slow on most sides, so fewer packets tell as much. */
function frames({ rules }: Case, flat: boolean): number {
  if (flat || rules <= 100) return 40_000
  return rules <= 1_000 ? 15_000 : 3_000
}

/** Measures a case: every side has a namespace of its own, and each round asks each side once. */
export async function measureFirstPacket(
  one: Case,
  rounds: number,
  blast: string,
  tell: (detail: string) => void,
): Promise<readonly FirstPacketRow[]> {
  const lists = hostLists(one)
  const sides: readonly Peer[] = [...peers, ...purlinSides()]
  const standing: { readonly side: Peer; readonly path: NicPath; readonly found: number[] }[] = []
  try {
    for (const [index, side] of sides.entries()) {
      const path = await NicPath.make(`bench-${index}`, blast)
      standing.push({ side, path, found: [] })
      await path.run(side.program, side.args, side.text(lists))
    }
    for (let round = 0; round < rounds; round++) {
      tell(`round ${round + 1} of ${rounds}`)
      for (const { side, path, found } of standing) {
        found.push(await path.firstPacketNs(frames(one, side.flat ?? false)))
      }
    }
  } finally {
    for (const { path } of standing) await path.remove()
  }
  return standing.map(({ side, found }) => ({
    side: side.name,
    nics: one.nics,
    rules: one.rules,
    cpuNs: quantile(found, 0.5),
    smallestNs: Math.min(...found),
  }))
}
