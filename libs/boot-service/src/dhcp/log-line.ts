/** What a line of dnsmasq's log tells. */
export type LogFact =
  | { readonly fact: 'hosts-read'; readonly file: string }
  /** It answered nothing to this MAC, and said so. */
  | { readonly fact: 'ignored'; readonly mac: string }

const READ = /^dnsmasq-dhcp(?:\[\d+\])?: read (\/.+)$/
/** `DHCPDISCOVER(deploy0) MAC ignored`, or with the address that was asked for before the MAC. */
const IGNORED = /^dnsmasq-dhcp(?:\[\d+\])?: DHCP[A-Z]+\([^)]+\) (?:\S+ )?([0-9a-f:]{17}) ignored$/

/** Reads a line as dnsmasq 2.90 writes it to standard error; undefined for all others. Pure. */
export function readLogLine(line: string): LogFact | undefined {
  const file = READ.exec(line)?.[1]
  if (file !== undefined) return { fact: 'hosts-read', file }
  const mac = IGNORED.exec(line)?.[1]
  return mac === undefined ? undefined : { fact: 'ignored', mac }
}
