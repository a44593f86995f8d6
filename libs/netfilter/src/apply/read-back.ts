import { PurlinError } from '@purlin/base'
import type { Change, NetfilterSocket } from '../netlink/index.ts'
import {
  elementKey,
  elementsByKey,
  objectKey,
  type SetElement,
  sameValue,
} from '../target/statement.ts'
import type { Held } from './applied.ts'
import type { Kernel } from './kernel.ts'
import { sameChain, sameSet } from './same.ts'

/** More chains and sets than these are not read one by one. */
const SINGLE_MAX = 48
/** Of a larger set only the elements that were written are read. */
const ELEMENTS_MAX = 64

/** Reads the chains and sets that changes have written and holds them against what is taken to
 *  stand there. Answers false where these are too many: then the whole tables are to be read.
 *  Errors: PUR_NFT_READ_BACK (names what differs and the NICs), PUR_NFT_UNREADABLE. */
export async function readBack(
  socket: NetfilterSocket,
  kernel: Kernel,
  changes: readonly Change[],
  ports: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const expected = kernel.held
  // Somebody else has changed something meanwhile: all of it will be looked at.
  if (expected === undefined) return true
  const written = writtenBy(changes)
  if (written.chains.size + written.sets.size > SINGLE_MAX) return false
  refuse(await singleFaults(socket, expected, written, signal), ports)
  return true
}

/** Reads both tables whole and holds them against what is taken to stand there. Errors as those of
 *  `readBack`. */
export async function readAllBack(
  kernel: Kernel,
  ports: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const expected = kernel.held
  if (expected === undefined) return
  const found = await kernel.read(expected, signal)
  if (found !== expected && kernel.held === found) refuse(faultsBetween(expected, found), ports)
}

function refuse(faults: readonly string[], ports: readonly string[]): void {
  if (faults.length === 0) return
  throw new PurlinError('PUR_NFT_READ_BACK', {
    message: `the rules read back are not the ones loaded: ${faults.slice(0, 5).join(', ')}; NICs concerned: ${ports.join(', ') || 'none'}`,
    context: { faults, notEnforced: ports },
  })
}

/** Keys of the chains and sets that changes have written. */
interface Written {
  readonly chains: ReadonlySet<string>
  readonly sets: ReadonlySet<string>
  /** Elements that were added, by set. */
  readonly elements: ReadonlyMap<string, readonly SetElement[]>
}

function writtenBy(changes: readonly Change[]): Written {
  const chains = new Set<string>()
  const sets = new Set<string>()
  const elements = new Map<string, readonly SetElement[]>()
  for (const change of changes) {
    if (change.change === 'add-chain') chains.add(objectKey(change.chain))
    if (change.change === 'add-rule') {
      chains.add(objectKey({ table: change.table, name: change.chain }))
    }
    if ('set' in change) sets.add(objectKey(change.set))
    if (change.change !== 'add-elements') continue
    const key = objectKey(change.set)
    elements.set(key, [...(elements.get(key) ?? []), ...change.elements])
  }
  return { chains, sets, elements }
}

async function singleFaults(
  socket: NetfilterSocket,
  expected: Held,
  written: Written,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const chains = [...written.chains].flatMap((key) => expected.chains.get(key) ?? [])
  const found = await socket.readChains(chains, { signal })
  const faults = chains
    .filter((chain) => {
      const there = found.get(objectKey(chain))
      return there === undefined || !sameChain(there, chain)
    })
    .map((chain) => `chain ${objectKey(chain)}`)
  for (const key of written.sets) {
    const set = expected.sets.get(key)
    if (set === undefined) continue
    // What a later change has taken away again is not looked for.
    const added = (written.elements.get(key) ?? []).filter((element) => {
      const now = set.elements.get(elementKey(element))
      return now !== undefined && sameValue(now, element)
    })
    const isSame =
      set.elements.size > ELEMENTS_MAX && added.length <= ELEMENTS_MAX && !set.interval
        ? hasAll(added, await socket.findElements(set, added, { signal }))
        : sameSet(set, {
            ...set,
            elements: elementsByKey(await socket.readElements(set, { signal })),
          })
    if (!isSame) faults.push(`set ${key}`)
  }
  return faults
}

function hasAll(wanted: readonly SetElement[], found: readonly SetElement[]): boolean {
  const there = elementsByKey(found)
  return wanted.every((element) => {
    const one = there.get(elementKey(element))
    return one !== undefined && sameValue(element, one)
  })
}

function faultsBetween(expected: Held, found: Held): readonly string[] {
  const differing = (kind: 'chains' | 'sets'): readonly string[] =>
    [...expected[kind].keys()].filter((key) => expected[kind].get(key) !== found[kind].get(key))
  return [
    ...differing('chains').map((key) => `chain ${key}`),
    ...differing('sets').map((key) => `set ${key}`),
  ]
}
