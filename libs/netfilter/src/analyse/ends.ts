import { type AddressFamily, type IpAddress, PurlinError, parseAddress } from '@purlin/base'
import type { FilteredNic, NetfilterDesired } from '../policy/desired.ts'

/** One end of a question. `nic` is absent for an address that no known NIC has. */
export interface End {
  readonly nic: FilteredNic | undefined
  readonly address: IpAddress
}

/** The NICs of a desired state by what people call them. */
interface NicIndex {
  readonly byName: ReadonlyMap<string, readonly FilteredNic[]>
  readonly byAddress: ReadonlyMap<string, FilteredNic>
}

const NAMES_SHOWN = 20
const indices = new WeakMap<NetfilterDesired, NicIndex>()

/** The family of a question: given, else that of an end written as an address, else IPv4. */
export function familyOf(
  given: AddressFamily | undefined,
  from: string,
  to: string,
): AddressFamily {
  return given ?? parseAddress(from)?.family ?? parseAddress(to)?.family ?? 'ipv4'
}

/** Finds an end written as an address, `MACHINE`, `MACHINE/NIC` or `MACHINE.NIC`; of several NICs
 *  the first with an address of the family. Errors: PUR_INVALID, naming what is known. */
export function resolveEnd(
  desired: NetfilterDesired,
  side: 'from' | 'to',
  text: string,
  family: AddressFamily,
): End {
  const index = indexOf(desired)
  const address = parseAddress(text)
  if (address !== undefined) {
    if (address.family !== family) {
      throw invalid(side, `${text} is ${address.family}, the packet is ${family}`)
    }
    return { nic: index.byAddress.get(keyOf(address)), address }
  }
  const named = index.byName.get(text.replace('/', '.')) ?? []
  if (named.length === 0) {
    const known = desired.nics.map((nic) => nic.port.replace('.', '/')).toSorted()
    const more = known.length - NAMES_SHOWN
    const shown = more > 0 ? [...known.slice(0, NAMES_SHOWN), `${more} more`] : known
    throw invalid(
      side,
      `"${text}" is no address and no known NIC; known: ${shown.join(', ') || 'none'}`,
    )
  }
  for (const nic of named) {
    const own = nic[family][0]
    const found = own === undefined ? undefined : parseAddress(own)
    if (found !== undefined) return { nic, address: found }
  }
  throw invalid(side, `${text} has no ${family} address`)
}

/** Worked out once for a desired state, which never changes in place. */
function indexOf(desired: NetfilterDesired): NicIndex {
  const known = indices.get(desired)
  if (known !== undefined) return known
  const byName = new Map<string, FilteredNic[]>()
  const byAddress = new Map<string, FilteredNic>()
  for (const nic of desired.nics) {
    for (const name of [nic.port, nic.port.slice(0, nic.port.indexOf('.'))]) {
      byName.set(name, [...(byName.get(name) ?? []), nic])
    }
    for (const text of [...nic.ipv4, ...nic.ipv6]) {
      const address = parseAddress(text)
      if (address === undefined || byAddress.has(keyOf(address))) continue
      byAddress.set(keyOf(address), nic)
    }
  }
  const index = { byName, byAddress }
  indices.set(desired, index)
  return index
}

function keyOf({ family, value }: IpAddress): string {
  return `${family} ${value}`
}

function invalid(path: string, message: string): PurlinError {
  return new PurlinError('PUR_INVALID', {
    message: `${path}: ${message}`,
    problems: [{ path, message }],
  })
}
