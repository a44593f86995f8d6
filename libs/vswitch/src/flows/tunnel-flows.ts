import type { OverlayDesired } from '../desired.ts'
import { partBridge, patchPorts, tunnelPort } from '../names.ts'
import type { Flow, FlowAction, Pipeline } from './flow.ts'
import { macValue, vlanMatch } from './match.ts'

const TO_PEERS = 1

/** What the bridge of tunnels does. From the switch a frame goes, with its network's key, to the
 *  host where its machine is, or to all of them; from a tunnel it goes to the switch and never
 *  into a tunnel again, so that a full mesh has no loops. Networks without a key do not pass.
 *  Pure. */
export function tunnelPipeline(switchName: string, overlay: OverlayDesired): Pipeline {
  const { onPart } = patchPorts('tunnels', switchName)
  const at = (
    table: number,
    priority: number,
    match: Flow['match'],
    actions: Flow['actions'],
    origin: string,
  ): Flow => ({ table, priority, match, actions, origin: `tunnel/${origin}` })
  const tunnels = new Map(overlay.peers.map(({ host }) => [host, tunnelPort(switchName, host)]))
  const keys = new Map(overlay.networks.map(({ vlan, key }) => [vlan, key]))
  const leave = (vlan: number, key: number, ports: Iterable<string>): readonly FlowAction[] => [
    { do: 'set-tunnel', key },
    ...(vlan === 0 ? [] : [{ do: 'untag' } as const]),
    ...[...ports].map((port): FlowAction => ({ do: 'output', port })),
  ]
  const closed = [{ do: 'drop' } as const]
  return {
    bridge: partBridge('tunnels', switchName),
    lists: [
      [
        at(0, 10, [{ field: 'in_port', value: onPart }], [{ do: 'go', table: TO_PEERS }], 'out'),
        at(0, 0, [], closed, 'closed'),
        at(TO_PEERS, 0, [], closed, 'no-network'),
      ],
      [...keys].flatMap(([vlan, key]) => [
        at(TO_PEERS, 10, [vlanMatch(vlan)], leave(vlan, key, tunnels.values()), 'flood'),
        ...[...tunnels.values()].map((port) =>
          at(
            0,
            10,
            [
              { field: 'in_port', value: port },
              { field: 'tun_id', value: BigInt(key) },
            ],
            [...(vlan === 0 ? [] : [{ do: 'tag', vlan } as const]), { do: 'output', port: onPart }],
            'in',
          ),
        ),
      ]),
      overlay.stations.flatMap(({ mac, vlan, host }) => {
        const key = keys.get(vlan)
        const port = tunnels.get(host)
        if (key === undefined || port === undefined) return []
        const match = [vlanMatch(vlan), { field: 'dl_dst', value: macValue(mac) } as const]
        return [at(TO_PEERS, 20, match, leave(vlan, key, [port]), 'station')]
      }),
    ],
    meters: [],
  }
}
