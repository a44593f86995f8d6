import { networkInterfaces } from 'node:os'

/** Addresses of this host, without loopback and without link-local ones, which no certificate can
 *  name. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address)
}
