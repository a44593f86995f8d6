import { type AddressFamily, type IpAddress, PurlinError, parseAddress } from '@purlin/base'
import type { FilteredNic, NetfilterDesired } from '../policy/desired.ts'

/** One end of a question. `nic` is absent for an address that no known NIC has. */
export interface End {
  readonly nic: FilteredNic | undefined
  readonly address: IpAddress
}

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
  const address = parseAddress(text)
  if (address !== undefined) {
    if (address.family !== family) {
      throw invalid(side, `${text} is ${address.family}, the packet is ${family}`)
    }
    return { nic: holderOf(desired, address), address }
  }
  const name = text.replace('/', '.')
  const named = desired.nics.filter(
    (nic) => nic.port === name || nic.port.slice(0, nic.port.indexOf('.')) === name,
  )
  if (named.length === 0) {
    const known = desired.nics.map((nic) => nic.port.replace('.', '/')).toSorted()
    const shown = known.length > 20 ? [...known.slice(0, 20), `${known.length - 20} more`] : known
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

function holderOf(desired: NetfilterDesired, address: IpAddress): FilteredNic | undefined {
  return desired.nics.find((nic) =>
    nic[address.family].some((text) => parseAddress(text)?.value === address.value),
  )
}

function invalid(path: string, message: string): PurlinError {
  return new PurlinError('PUR_INVALID', {
    message: `${path}: ${message}`,
    problems: [{ path, message }],
  })
}
