import { shortHash } from '@purlin/base'
import type { Manifest } from '@purlin/schema'
import { probePath } from '../native/build.ts'
import type { ClientAddresses } from './client-addresses.ts'
import type { PrivateHost } from './host.ts'
import { switchControl } from './switch.ts'

/** A machine of a port group that no policy knows: a network namespace of the host on a plain port
 *  of the switch. */
export interface PlainClient {
  readonly name: string
  readonly portGroup: string
  readonly addresses: ClientAddresses
  /** Its network namespace inside the host. */
  readonly namespace: string
  /** The host's end of its cable. */
  readonly device: string
}

/** Names a client of a port group; `index` counts from 0. Pure. */
export function describeClient(
  portGroup: string,
  index: number,
  addresses: ClientAddresses,
): PlainClient {
  const name = `${portGroup}-client-${index + 1}`
  const key = shortHash(name, 8)
  return { name, portGroup, addresses, namespace: `client-${key}`, device: `pcl-${key}` }
}

/** Plugs a client in: namespace, cable, addresses, a switch port with the port group's VLAN that
 *  carries no mark of Purlin's. Its settings: no IPv6 before the addresses are there, pings by any
 *  user, whole checksums, since the userspace switch reads the frames as they lie. */
export async function plugClient(
  host: PrivateHost,
  client: PlainClient,
  portGroup: Manifest<'PortGroup'>,
): Promise<void> {
  const { namespace, device, addresses } = client
  const inside = (...command: readonly string[]): Promise<unknown> =>
    host.run('ip', ['netns', 'exec', namespace, ...command])
  await host.run('ip', ['netns', 'add', namespace])
  const peer = ['peer', 'name', 'eth0', 'netns', namespace]
  await host.run('ip', ['link', 'add', device, 'type', 'veth', ...peer])
  await inside(
    ...['sysctl', '--quiet', '--write', 'net.ipv6.conf.eth0.disable_ipv6=0'],
    ...['net.ipv6.conf.eth0.accept_dad=0', 'net.ipv6.conf.eth0.accept_ra=0'],
    'net.ipv4.ping_group_range=0 2147483647',
  )
  await inside('ethtool', '--offload', 'eth0', 'tx', 'off')
  const commands = [
    'link set lo up',
    'link set eth0 up',
    ...(addresses.ipv4 === undefined ? [] : [`address add ${addresses.ipv4} dev eth0`]),
    ...(addresses.ipv6 === undefined ? [] : [`address add ${addresses.ipv6} dev eth0 nodad`]),
  ]
  const input = `${commands.join('\n')}\n`
  const options = { timeoutMs: 10_000, input }
  await host.run('ip', ['-netns', namespace, '-batch', '-'], options)
  // The host's end belongs to the switch: no address of the host's own on it.
  await host.run('ip', ['link', 'set', device, 'addrgenmode', 'none'])
  await host.run('ip', ['link', 'set', device, 'up'])
  const { switch: bridge, vlan } = portGroup.spec
  const tag = vlan === 0 ? [] : [`tag=${vlan}`]
  await switchControl(host, ['add-port', bridge, device, ...tag])
}

/** Starts the client's echo servers; they end with the host. */
export function serveInClient(
  host: PrivateHost,
  client: PlainClient,
  tcpPorts: readonly number[],
  udpPorts: readonly number[],
): void {
  const udp = udpPorts.length === 0 ? [] : ['-u', ...udpPorts.map(String)]
  const serve = [probePath, 'serve', ...tcpPorts.map(String), ...udp]
  host.spawn(['ip', 'netns', 'exec', client.namespace, ...serve], client.name)
}

/** Asks from inside the client: the probe's questions in, its answers out. */
export async function askFromClient(
  host: PrivateHost,
  client: PlainClient,
  waitMs: number,
  questions: string,
): Promise<string> {
  const ask = ['ip', 'netns', 'exec', client.namespace, probePath, 'ask', String(waitMs)]
  const outcome = await host.run('env', ask, { timeoutMs: waitMs + 20_000, input: questions })
  return outcome.stdout
}
