import { readFile } from 'node:fs/promises'

/** The MAC that dnsmasq leased an address to; undefined: to none. The file has lines of `EXPIRY MAC
 *  ADDRESS NAME CLIENT-ID`; a lease that ran out is none. */
export async function macOfLease(
  leaseFile: string,
  address: string,
  nowMs: number,
): Promise<string | undefined> {
  const text = await readFile(leaseFile, 'utf8').catch(() => '')
  for (const line of text.split('\n')) {
    const [expiry = '', mac, leased] = line.split(' ')
    if (leased === address && Number(expiry) * 1_000 > nowMs) return mac
  }
  return undefined
}
