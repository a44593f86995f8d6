import { run } from '@purlin/base'

const COMMAND_TIMEOUT_MS = 10_000
const CARRIER = 'carrier0'
const CARRIER_END = 'carrier1'

export interface DeploymentNetworkOptions {
  readonly bridge: string
  /** The bridge's own address with its prefix, `10.88.0.1/24`. */
  readonly address: string
  readonly taps: readonly string[]
}

/** A bridge with an address, and taps on it for the cards of simulated chassis, in the network
 *  namespace of this process. They end with the namespace. Errors: those of `run`; a device of one
 *  of the names that is there already is one. */
export async function makeDeploymentNetwork({
  bridge,
  address,
  taps,
}: DeploymentNetworkOptions): Promise<void> {
  const ip = (...words: string[]) => run('ip', words, { timeoutMs: COMMAND_TIMEOUT_MS })
  await ip('link', 'set', 'lo', 'up')
  // A bridge that takes part in spanning tree would keep a chassis' first DHCP packets.
  await ip('link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0')
  await ip('address', 'add', address, 'dev', bridge)
  await ip('link', 'set', bridge, 'up')
  // While every chassis is off no tap has a carrier, and a bridge without one is not running.
  await ip('link', 'add', CARRIER, 'type', 'veth', 'peer', 'name', CARRIER_END)
  await ip('link', 'set', CARRIER_END, 'up')
  await ip('link', 'set', CARRIER, 'master', bridge, 'up')
  for (const tap of taps) {
    await ip('tuntap', 'add', 'dev', tap, 'mode', 'tap')
    await ip('link', 'set', tap, 'master', bridge, 'up')
  }
}

/** Takes the devices of `makeDeploymentNetwork` away again. Errors: those of `run`. */
export async function removeDeploymentNetwork({
  bridge,
  taps,
}: Pick<DeploymentNetworkOptions, 'bridge' | 'taps'>): Promise<void> {
  for (const device of [CARRIER, ...taps, bridge]) {
    await run('ip', ['link', 'delete', device], { timeoutMs: COMMAND_TIMEOUT_MS })
  }
}
