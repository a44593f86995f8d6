import { run } from '@purlin/base'

const DEADLINE_MS = 10 * 60_000
const SWITCH = 'peer0'

/** Ports as a script would make them: a bridge and a cable of each by `ip -batch`, its end in the
 *  switch by `ovs-vsctl`. Nothing is looked at before or after. */
export interface PeerPorts {
  readonly make: () => Promise<void>
  readonly remove: () => Promise<void>
  /** Removes the switch that they are on. */
  readonly end: () => Promise<void>
}

/** `each`: two calls a port; `all`: two calls in all. */
export async function peerPorts(
  socket: string,
  count: number,
  way: 'each' | 'all',
): Promise<PeerPorts> {
  const vsctl = async (words: readonly string[]): Promise<void> => {
    await run('ovs-vsctl', [`--db=unix:${socket}`, ...words], { timeoutMs: DEADLINE_MS })
  }
  const links = async (commands: readonly string[]): Promise<void> => {
    const input = `${commands.join('\n')}\n`
    await run('ip', ['-batch', '-'], { timeoutMs: DEADLINE_MS, input })
  }
  const every = Array.from({ length: count }, (_none, index) => index)
  const groups = way === 'all' ? [every] : every.map((index) => [index])
  await vsctl(['add-br', SWITCH, '--', 'set', 'bridge', SWITCH, 'datapath_type=netdev'])
  return {
    make: async () => {
      for (const group of groups) {
        await links(group.flatMap(linksOf))
        await vsctl(group.flatMap(entryOf))
      }
    },
    remove: async () => {
      for (const group of groups) {
        await vsctl(group.flatMap((index) => ['--', 'del-port', SWITCH, `peero-${index}`]))
        await links(
          group.flatMap((index) => [
            `link delete dev peerb-${index}`,
            `link delete dev peeri-${index}`,
          ]),
        )
      }
    },
    end: async () => await vsctl(['del-br', SWITCH]),
  }
}

function linksOf(index: number): readonly string[] {
  const [bridge, inner, outer] = [`peerb-${index}`, `peeri-${index}`, `peero-${index}`]
  const settings = 'stp_state 0 forward_delay 0 ageing_time 0 mcast_snooping 0'
  return [
    `link add name ${bridge} type bridge ${settings} nf_call_iptables 1 nf_call_ip6tables 1`,
    `link add name ${inner} mtu 1500 type veth peer name ${outer} mtu 1500`,
    `link set dev ${inner} master ${bridge} up`,
    `link set dev ${outer} up`,
    `link set dev ${bridge} up`,
  ]
}

function entryOf(index: number): readonly string[] {
  const outer = `peero-${index}`
  return [
    ...['--', 'add-port', SWITCH, outer, 'tag=100', 'vlan_mode=access'],
    ...['--', 'set', 'interface', outer, `external_ids:iface-id=peer-${index}`],
  ]
}
