import { parseAddress } from '@purlin/base'
import type { CompiledNic } from '../compile/ruleset.ts'
import type { KernelRule } from './kernel-ruleset.ts'
import { anyOf } from './match.ts'

const RARP = '0x8035'

/** What a machine may send at all, whatever its groups: its own MAC and addresses, and nothing
 *  that only a router or a DHCP server says. RARP passes with the NIC's own MAC: QEMU announces
 *  a machine with it after a migration. */
export function guardRules(nic: CompiledNic): readonly KernelRule[] {
  const { mac, ipv4, ipv6 } = nic
  const targets = ipv6.map((text) => `0x${addressHex(text)}`)
  return [
    { id: 'guard/mac', text: `ether saddr != ${mac} counter drop` },
    { id: 'guard/rarp', text: `ether type ${RARP} return` },
    { id: 'guard/type', text: 'ether type != { ip, ip6, arp } counter drop' },
    { id: 'guard/arp-mac', text: `ether type arp arp saddr ether != ${mac} counter drop` },
    {
      id: 'guard/arp-ipv4',
      text: `ether type arp arp saddr ip != ${anyOf(['0.0.0.0', ...ipv4])} counter drop`,
    },
    {
      id: 'guard/dhcp-client',
      text: 'ip saddr 0.0.0.0 udp sport 68 udp dport 67 return',
    },
    {
      id: 'guard/ipv4',
      text:
        ipv4.length === 0
          ? 'ether type ip counter drop'
          : `ip saddr != ${anyOf(ipv4)} counter drop`,
    },
    { id: 'guard/dhcp-server', text: 'udp sport { 67, 547 } counter drop' },
    { id: 'guard/dhcp-answer', text: 'udp dport { 68, 546 } counter drop' },
    { id: 'guard/router', text: 'icmpv6 type { nd-router-advert, nd-redirect } counter drop' },
    { id: 'guard/ipv6', text: `ip6 saddr != ${anyOf(['::', ...ipv6])} counter drop` },
    {
      id: 'guard/neighbour',
      text: `icmpv6 type nd-neighbor-advert @th,64,128 != ${anyOf(targets)} counter drop`,
    },
  ]
}

function addressHex(text: string): string {
  return (parseAddress(text)?.value ?? 0n).toString(16).padStart(32, '0')
}
