import { formatAddress, parseAddress } from '@purlin/base'
import type { ReservationDesired } from '../desired.ts'

/** One file of dnsmasq's reservations for each MAC address. Lines are
 *  `MAC,ADDRESS,[ADDRESS6],NAME` and never carry a tag: dnsmasq 2.90 dies on SIGHUP once a
 *  tagged entry has served a lease. A line holds one IPv4 address. `leased` tells whether an
 *  address is in a subnet that is leased. */
export function reservationFiles(
  reservations: readonly ReservationDesired[],
  leased: (address: string) => boolean,
): ReadonlyMap<string, string> {
  return filesOf(reservations, (reservation) => {
    const six = reservation.ipv6.filter(leased).map((address) => `[${plain(address)}]`)
    const four = reservation.ipv4.filter(leased).map(plain)
    const sets =
      four.length === 0 ? [six] : four.map((address, at) => [address, ...(at ? [] : six)])
    return sets
      .filter((addresses) => addresses.length > 0)
      .map((addresses) =>
        [reservation.mac.toLowerCase(), ...addresses, reservation.hostName].join(','),
      )
  })
}

/** One file of host names for each MAC address, in the form of /etc/hosts; none without a
 *  domain. The names do not depend on leases, so every host answers alike. */
export function nameFiles(
  reservations: readonly ReservationDesired[],
  domain: string | undefined,
): ReadonlyMap<string, string> {
  if (domain === undefined) return new Map()
  return filesOf(reservations, (reservation) =>
    [...reservation.ipv4, ...reservation.ipv6].map(
      (address) => `${plain(address)} ${reservation.hostName}.${domain} ${reservation.hostName}`,
    ),
  )
}

/** The addresses that a reservation file names. */
export function addressesOfReservation(text: string): readonly string[] {
  return text
    .split(/[\n,]/)
    .map((field) => field.replace(/^\[(.*)\]$/, '$1'))
    .filter((field) => parseAddress(field) !== undefined)
}

function filesOf(
  reservations: readonly ReservationDesired[],
  linesOf: (reservation: ReservationDesired) => readonly string[],
): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const reservation of reservations) {
    const lines = linesOf(reservation)
    if (lines.length === 0) continue
    const name = reservation.mac.toLowerCase().replaceAll(':', '')
    files.set(name, lines.map((line) => `${line}\n`).join(''))
  }
  return files
}

function plain(text: string): string {
  const address = parseAddress(text)
  return address === undefined ? text : formatAddress(address)
}
