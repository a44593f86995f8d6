import { type Cidr, PurlinError, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import type { BootHost } from '../service.ts'

/** Of local administration and of no machine: the service asks its own DHCP server as this one. */
export const PROBE_MAC = '02:50:55:52:4c:01'
const PROBE_NAME = 'purlin-probe'
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** The text of dnsmasq's hosts file: `MAC,ADDRESS,NAME`, never with a tag, in the order of the
 *  MACs. The probe has a name alone: it is known and gets no address. Errors: PUR_BOOT_HOSTS with
 *  every host that is unfit or met twice. Pure. */
export function hostsText(hosts: readonly BootHost[], cidr: string, serverAddress: string): string {
  const problems = problemsOf(hosts, parseCidr(cidr), serverAddress)
  if (problems.length > 0) {
    throw new PurlinError('PUR_BOOT_HOSTS', {
      message: `know ${hosts.length} machines by DHCP: ${problems.slice(0, 5).join('; ')}`,
      context: { problems: problems.length },
    })
  }
  const lines = hosts.map(({ mac, address, name }) => `${mac},${address},${name}\n`).sort()
  return `${PROBE_MAC},${PROBE_NAME}\n${lines.join('')}`
}

function problemsOf(
  hosts: readonly BootHost[],
  subnet: Cidr | undefined,
  serverAddress: string,
): readonly string[] {
  const seen = new Map<string, string>([
    [serverAddress, 'the server'],
    [PROBE_MAC, 'the probe'],
    [PROBE_NAME, 'the probe'],
  ])
  return hosts.flatMap((host) => {
    const { mac, address, name } = host
    const found: string[] = []
    // Text of others is shown as JSON, so that it cannot look like words of ours.
    if (!MAC.test(mac)) found.push(`${JSON.stringify(mac)} is no MAC in lower case`)
    if (!NAME.test(name)) found.push(`${JSON.stringify(name)} is no host name`)
    const parsed = parseAddress(address)
    if (parsed === undefined || subnet === undefined || !rangeHolds(subnet, parsed)) {
      found.push(`${JSON.stringify(address)} is no address of the subnet`)
    }
    for (const key of [mac, address, name]) {
      const other = seen.get(key)
      if (other !== undefined) found.push(`${key} of ${name} is taken by ${other}`)
      seen.set(key, name)
    }
    return found
  })
}
