import type { Run } from '@purlin/base'
import { partBridge, type Reachable } from '@purlin/vswitch'
import { callPeer } from './peer-call.ts'

const ROUTE_DEADLINE_MS = 2_000
/** So many hosts are asked at once; one that answers is enough. */
const ASKED_MAX = 8

export interface PeerGrounds {
  readonly run: Run
  /** The addresses at which the other hosts of the fleet listen, as `192.0.2.2:7443`. */
  readonly others: () => readonly string[]
  /** The fleet's authority. */
  readonly ca: string
}

/** Whether another agent answers over a switch as its uplinks are now. Only hosts to which the
 *  kernel's way leads through a device of that switch are asked: an answer over a network of its
 *  own for the host says nothing of the uplinks. */
export function reachablePeers({ run, others, ca }: PeerGrounds): Reachable {
  return async (switchName, signal) => {
    const answers = others()
      .slice(0, ASKED_MAX)
      .map(async (listen) => {
        const device = await deviceTo(run, listen, signal)
        if (!isOf(device, switchName)) throw new Error(`${listen} is reached by ${device}`)
        const server = `https://${listen}`
        await callPeer({ server, method: 'GET', path: '/v1/fleet/authority', ca, signal })
      })
    return await Promise.any(answers).then(
      () => true,
      () => false,
    )
  }
}

/** The device by which packets to a host leave. */
async function deviceTo(run: Run, listen: string, signal: AbortSignal): Promise<string> {
  const address = new URL(`https://${listen}`).hostname.replace(/^\[(.*)\]$/, '$1')
  const words = ['-json', 'route', 'get', address]
  const { stdout } = await run('ip', words, { timeoutMs: ROUTE_DEADLINE_MS, signal })
  const [route] = JSON.parse(stdout) as readonly { readonly dev?: string }[]
  return route?.dev ?? ''
}

/** The switch's own device, a VLAN of it, or the bridge that carries its tunnels. */
function isOf(device: string, switchName: string): boolean {
  return (
    device === switchName ||
    device.startsWith(`${switchName}.`) ||
    device === partBridge('underlay', switchName)
  )
}
