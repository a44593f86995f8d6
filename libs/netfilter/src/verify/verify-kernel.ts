import { setImmediate as afterOthers } from 'node:timers/promises'
import { type AddressFamily, PurlinError } from '@purlin/base'
import { chooseVariants } from '../apply/variants.ts'
import { compile } from '../compile/compile.ts'
import type { Decided } from '../compile/form.ts'
import type { CompiledNic } from '../compile/ruleset.ts'
import { flatten } from '../flatten.ts'
import { type NetfilterObserved, turnElements } from '../observe/observed.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { difference } from '../space/compare.ts'
import { spaceOfChain } from '../space/of-chain.ts'
import { decisionStore, spaceOfList } from '../space/space.ts'
import { hostObjects, marksOf, variantIn } from '../target/host-objects.ts'
import { chainOf } from '../target/statement.ts'
import { structureFindings } from './structure.ts'
import type { KernelWitness, Verification, VerifyFinding } from './verification.ts'

/** The chain that decides about every forwarded packet. */
const FILTER_CHAIN = 'inet/base-filter'
const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']
const DIRECTIONS: readonly Direction[] = ['outbound', 'inbound']

/** Proves that what the kernel holds decides every packet of every NIC as the policy does, or finds
 *  what does not: guards, zones, marks and base chains are held against what is to be loaded; of
 *  the lists the packet space of what is loaded is built from the chains, maps and sets that a
 *  packet with the NIC's mark meets, and compared with the space of the policy's meaning. Nothing
 *  of the compiler is on the way of the second. Errors: PUR_INVALID, PUR_CANCELLED. */
export async function verifyKernel(
  desired: NetfilterDesired,
  observed: NetfilterObserved,
  signal: AbortSignal,
): Promise<Verification> {
  const compiled = compile(desired)
  const wanted = hostObjects(compiled, variantIn(chooseVariants(compiled, observed)))
  const findings: VerifyFinding[] = [...structureFindings(wanted, observed)]
  const nics = new Map(desired.nics.map((nic) => [nic.port, nic]))
  const compared = new Map<string, readonly Found[]>()
  for (const nic of compiled.nics) {
    const meaning = nics.get(nic.port)
    if (meaning === undefined) continue
    for (const direction of DIRECTIONS) {
      const key = pathOf(nic, direction, observed)
      const known = compared.get(key)
      if (known === undefined) {
        // A large list takes a while; others have their turn between two.
        await afterOthers()
        signal.throwIfAborted()
      }
      const found = known ?? compareSpaces(meaning, nic, direction, desired, observed)
      compared.set(key, found)
      for (const one of found) {
        const where = `${direction} list of ${nic.port}`
        findings.push({ where, port: nic.port, direction, ...one })
      }
    }
  }
  const spaces = compared.size
  return { equal: findings.length === 0, findings, nics: compiled.nics.length, spaces }
}

type Found = Pick<VerifyFinding, 'what' | 'witness'>

/** What decides for one direction of a NIC, on both sides: NICs with the same need one look. */
function pathOf(nic: CompiledNic, direction: Direction, observed: NetfilterObserved): string {
  const mark = String(markOf(nic, direction))
  const loaded = ['open', 'dispatch'].map((map) => {
    const value = turnElements(observed, map).get(mark)?.value
    return typeof value === 'object' ? `${value.verdict} ${chainOf(value) ?? ''}` : 'nothing'
  })
  const meant =
    nic.lists === undefined ? 'open' : `${nic.opens?.[direction]} ${nic.lists[direction]}`
  return `${direction} ${meant}: ${loaded.join(', ')}`
}

function markOf(nic: CompiledNic, direction: Direction): number {
  const [outbound, inbound] = marksOf(nic)
  return direction === 'outbound' ? outbound : inbound
}

function compareSpaces(
  nic: FilteredNic,
  compiled: CompiledNic,
  direction: Direction,
  desired: NetfilterDesired,
  observed: NetfilterObserved,
): readonly Found[] {
  const list = flatten(nic, direction, desired)
  const mark = markOf(compiled, direction)
  return FAMILIES.flatMap((family): readonly Found[] => {
    const store = decisionStore(family)
    try {
      const loaded = spaceOfChain(observed, FILTER_CHAIN, family, { store, mark })
      const witness = difference(spaceOfList(list, family, { open: true, store }), loaded)
      if (witness === undefined) return []
      const { packet, one, other } = witness
      return [differs({ family, packet, ...verdicts(one, other) })]
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_NFT_UNREADABLE') throw thrown
      return [{ what: thrown.message }]
    }
  })
}

function verdicts(
  meant: Decided | undefined,
  loaded: Decided | undefined,
): Omit<KernelWitness, 'family' | 'packet'> {
  const action = (one: Decided | undefined): FilterAction =>
    one?.verdict === 'accept' ? 'allow' : 'deny'
  return {
    meant: action(meant),
    meantBy: meant?.id ?? 'nothing',
    loaded: action(loaded),
    loadedBy: loaded?.id ?? 'nothing',
  }
}

function differs(witness: KernelWitness): Found {
  const { meant, meantBy, loaded, loadedBy } = witness
  return {
    what: `the policy says ${meant} (${meantBy}), what is loaded would ${loaded} (${loadedBy})`,
    witness,
  }
}
