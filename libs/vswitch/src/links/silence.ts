import { readFile, writeFile } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'

/** Takes IPv6 off host links before they come up, so that the host has no link-local address on the
 *  wire of a machine. It is a setting of each link: the host's own defaults stay. A kernel without
 *  IPv6 has nothing to take off. Errors: PUR_LINK_FAILED when the kernel keeps it on. */
export async function silenceIpv6(links: readonly string[]): Promise<void> {
  await Promise.all(
    links.map(async (link) => {
      const setting = `/proc/sys/net/ipv6/conf/${link}/disable_ipv6`
      try {
        if ((await readFile(setting, 'utf8')).trim() === '1') return
        await writeFile(setting, '1')
        if ((await readFile(setting, 'utf8')).trim() === '1') return
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return
        throw new PurlinError('PUR_LINK_FAILED', {
          message: `take IPv6 off ${link}: ${setting} cannot be written: ${String(thrown)}; the service must be allowed to write below /proc/sys`,
          cause: thrown,
        })
      }
      throw new PurlinError('PUR_LINK_FAILED', {
        message: `take IPv6 off ${link}: the kernel keeps it on`,
      })
    }),
  )
}

/** Whether frames that cross a Linux bridge can be given to netfilter: br_netfilter is there.
 *  Without it a bridge's own switch says yes and filters nothing. */
export async function bridgesCanFilter(): Promise<boolean> {
  return await readFile('/proc/sys/net/bridge/bridge-nf-call-iptables').then(
    () => true,
    () => false,
  )
}
