import type { Clock } from '@purlin/base'
import { type BootRequest, newToken, nodeUrl, tokenSha256 } from '@purlin/boot-service'
import type { DeploymentNetworkStatus, DiscoveryReport } from '@purlin/schema'

const STRANGERS_MAX = 256
const TOKEN_MS = 3_600_000

/** A node that no chassis names. */
export type Stranger = NonNullable<DeploymentNetworkStatus['unknown']>[number]

type Asking = Pick<BootRequest, 'mac' | 'network' | 'address' | 'urls'>

interface Known extends Stranger {
  readonly network: string
  readonly address: string
  readonly tokenSha256: string
}

/** Nodes that were answered in an enrol window. Nothing of them is written down, and nothing is
 *  ordered of them but to tell what they are and to switch off. */
export class Strangers {
  readonly #clock: Clock
  readonly #known = new Map<string, Known>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Those of a network, newest first. */
  list(of: string): readonly Stranger[] {
    return [...this.#known.values()]
      .filter(({ network }) => network === of)
      .map(({ network: _network, address: _address, tokenSha256: _token, ...stranger }) => stranger)
      .toSorted((one, other) => other.seenAtMs - one.seenAtMs)
  }

  /** Remembers one that asks, the oldest beyond 256 forgotten, and gives it its URL. */
  meet({ mac, network, address, urls }: Asking): string {
    const token = newToken()
    const former = this.#known.get(mac)
    this.#known.delete(mac)
    const seen = { mac, network, address, seenAtMs: this.#clock.nowMs() }
    this.#known.set(mac, { ...former, ...seen, tokenSha256: tokenSha256(token) })
    const [oldest] = this.#known.keys()
    if (this.#known.size > STRANGERS_MAX && oldest !== undefined) this.#known.delete(oldest)
    return nodeUrl(urls.https ?? urls.http, token)
  }

  grantOf(sha256: string) {
    const known = [...this.#known.values()].find((each) => each.tokenSha256 === sha256)
    if (known === undefined) return undefined
    const { mac, address, seenAtMs } = known
    return {
      tokenSha256: sha256,
      node: `${STRANGER}${mac}`,
      addresses: [address],
      expiresAtMs: seenAtMs + TOKEN_MS,
    }
  }

  /** Keeps what it says of itself. */
  report(node: string, { system }: DiscoveryReport): void {
    const known = this.#known.get(node.slice(STRANGER.length))
    if (known === undefined) return
    const { manufacturer, product, serial } = system
    this.#known.set(known.mac, {
      ...known,
      ...(manufacturer !== undefined && { manufacturer }),
      ...(product !== undefined && { product }),
      ...(serial !== undefined && { serial }),
    })
  }
}

/** Begins the name of a node that is no chassis; a chassis cannot be named so. */
const STRANGER = 'stranger/'

/** Whether a grant's node is a stranger. */
export function isStranger(node: string): boolean {
  return node.startsWith(STRANGER)
}
