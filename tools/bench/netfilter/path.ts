import { type RunOutcome, run } from '@purlin/base'

const TIMEOUT_MS = 120_000
/** The cable of the NIC that is measured, on its bridge's side; frames come from here. */
export const CABLE = 'cable'
/** The NIC's tap. */
export const TAP = 'tap'
const OUTSIDE = 'outside'
const MACHINE = 'machine'
type Part = 'host' | typeof OUTSIDE | typeof MACHINE
const PARTS: readonly Part[] = ['host', OUTSIDE, MACHINE]
const BRIDGE = 'bridge'
/** Source port of the frame: after the Ethernet header (14) and IPv4's (20). */
const SOURCE_PORT_OFFSET = 34
/** Where the frames go. */
export const MACHINE_ADDRESS = '10.99.0.1'
export const MACHINE_MAC = '52:54:00:00:0b:0b'
const OUTSIDE_ADDRESS = '10.99.7.8'
const OUTSIDE_MAC = '52:54:00:00:0a:0a'

/** A NIC's path: a host's namespace with the cable, the bridge and the tap, one for whoever speaks
 *  to the machine, one for the machine. */
export class NicPath {
  readonly #namespace: string
  readonly #blast: string

  private constructor(namespace: string, blast: string) {
    this.#namespace = namespace
    this.#blast = blast
  }

  /** Makes the namespaces and devices. `blast`: the program that sends frames. Errors:
   *  PUR_EXEC_*. */
  static async make(namespace: string, blast: string): Promise<NicPath> {
    const path = new NicPath(namespace, blast)
    for (const part of PARTS) {
      await ip('netns', 'add', path.#part(part))
      await path.run('sysctl', ['-qw', 'net.ipv6.conf.default.disable_ipv6=1'], '', part)
    }
    await path.#end(OUTSIDE, CABLE, OUTSIDE_ADDRESS, OUTSIDE_MAC)
    await path.#end(MACHINE, TAP, MACHINE_ADDRESS, MACHINE_MAC)
    const quiet = 'stp_state 0 forward_delay 0 mcast_snooping 0 nf_call_iptables 1'.split(' ')
    await ip('-netns', namespace, 'link', 'add', BRIDGE, 'type', 'bridge', ...quiet)
    for (const device of [CABLE, TAP]) {
      await ip('-netns', namespace, 'link', 'set', device, 'master', BRIDGE)
    }
    await ip('-netns', namespace, 'link', 'set', BRIDGE, 'up')
    await path.run('bridge', ['fdb', 'add', MACHINE_MAC, 'dev', TAP, 'master', 'static'])
    return path
  }

  /** Runs a program in one of the namespaces, the host's unless another is named. Errors:
   *  PUR_EXEC_*. */
  async run(
    program: string,
    args: readonly string[],
    input = '',
    part: Part = 'host',
  ): Promise<RunOutcome> {
    const words = ['netns', 'exec', this.#part(part), program, ...args]
    return await run('ip', words, { timeoutMs: TIMEOUT_MS, input })
  }

  /** Sends frames of new flows that no rule names, and answers the CPU time of one, in
   *  nanoseconds. */
  async firstPacketNs(frames: number): Promise<number> {
    const words = [OUTSIDE, String(frames), String(SOURCE_PORT_OFFSET), FRAME]
    const { stdout } = await this.run(this.#blast, words, '', OUTSIDE)
    const cpuNs = Number(stdout.split(' ')[0])
    if (!Number.isFinite(cpuNs)) throw new Error(`blast answered ${JSON.stringify(stdout)}`)
    return cpuNs
  }

  async remove(): Promise<void> {
    for (const part of PARTS) await ip('netns', 'delete', this.#part(part))
  }

  /** A device with an address in a namespace of its own, and its other end on the host. */
  async #end(part: Part, onHost: string, address: string, mac: string): Promise<void> {
    const inside = ['-netns', this.#part(part)]
    const peer = ['peer', 'name', onHost, 'netns', this.#namespace]
    await ip(...inside, 'link', 'add', part, 'address', mac, 'type', 'veth', ...peer)
    await ip(...inside, 'address', 'add', `${address}/16`, 'dev', part)
    await ip(...inside, 'link', 'set', part, 'up')
    await ip('-netns', this.#namespace, 'link', 'set', onHost, 'up')
  }

  #part(part: Part): string {
    return part === 'host' ? this.#namespace : `${this.#namespace}-${part}`
  }
}

async function ip(...args: string[]): Promise<RunOutcome> {
  return await run('ip', args, { timeoutMs: TIMEOUT_MS })
}

/** A UDP datagram of 18 bytes to port 9 of the machine, from an address that no rule names; without
 *  UDP's checksum. */
const FRAME = [
  MACHINE_MAC.replaceAll(':', ''),
  `${OUTSIDE_MAC.replaceAll(':', '')}0800`,
  `4500002e000000004011${headerChecksum()}`,
  '0a630707', // 10.99.7.7
  '0a630001', // 10.99.0.1
  '00000009001a0000',
  '00'.repeat(18),
].join('')

/** RFC 791: the complement of the ones' complement sum of the header's words. */
function headerChecksum(): string {
  const words = [0x4500, 0x002e, 0, 0, 0x4011, 0x0a63, 0x0707, 0x0a63, 0x0001]
  const sum = words.reduce((total, word) => total + word, 0)
  const folded = (sum & 0xffff) + (sum >>> 16)
  return ((~folded & 0xffff) >>> 0).toString(16).padStart(4, '0')
}
