import { X509Certificate } from 'node:crypto'
import type { Revoked, Store, Write } from '@purlin/store'

/** Every certificate that the authority gave to a host, by its serial number. */
export const CERTIFICATES = '/certificate/'
/** Where the list of revoked ones is, as the authority has signed it. */
export const REVOCATION_LIST = '/revocation-list'
/** Hosts that ask for a new certificate, and the answers, by host. */
export const RENEWAL = '/renewal/'
export const RENEWED = '/renewed/'

const DAY_MS = 86_400_000
const LEAST_LEFT_MS = 30 * DAY_MS

/** What is kept of a certificate that was given to a host. */
export interface GivenCertificate {
  readonly host: string
  readonly endsAtMs: number
  /** Absent: it is good. */
  readonly revokedAtMs?: number
}

/** Notes that a host was given a certificate. Pure. */
export function noteCertificate(host: string, certificate: string): Write {
  const { serialNumber, validTo } = new X509Certificate(certificate)
  const value: GivenCertificate = { host, endsAtMs: Date.parse(validTo) }
  return { put: `${CERTIFICATES}${serialNumber}`, value }
}

/** Notes that every certificate of a host is good no more. Errors: PUR_STORE_*. */
export async function revocationsOf(
  store: Store,
  host: string,
  revokedAtMs: number,
): Promise<readonly Write[]> {
  const { entries } = await store.list(CERTIFICATES)
  return entries.flatMap(({ key, value }): Write[] => {
    const given = value as GivenCertificate
    if (given.host !== host || given.revokedAtMs !== undefined) return []
    return [{ put: key, value: { ...given, revokedAtMs } }]
  })
}

/** The revoked ones among the entries, those left out that have ended by themselves. Pure. */
export function revokedOf(
  entries: Iterable<{ readonly key: string; readonly value: unknown }>,
  nowMs: number,
): readonly Revoked[] {
  return [...entries]
    .flatMap(({ key, value }): Revoked[] => {
      const { endsAtMs, revokedAtMs } = value as GivenCertificate
      if (revokedAtMs === undefined || endsAtMs < nowMs) return []
      return [{ serial: key.slice(CERTIFICATES.length), endsAtMs, revokedAtMs }]
    })
    .toSorted((one, other) => (one.serial < other.serial ? -1 : 1))
}

/** Whether a certificate is to be renewed: less than a third of its life is left, or less than
 *  thirty days. Pure. */
export function renewalDue(certificate: string, nowMs: number): boolean {
  const { validFrom, validTo } = new X509Certificate(certificate)
  const endsAtMs = Date.parse(validTo)
  const lifeMs = endsAtMs - Date.parse(validFrom)
  return endsAtMs - nowMs < Math.max(lifeMs / 3, LEAST_LEFT_MS)
}

/** Milliseconds until a certificate ends; negative once it has. Pure. */
export function leftMs(certificate: string, nowMs: number): number {
  return Date.parse(new X509Certificate(certificate).validTo) - nowMs
}
