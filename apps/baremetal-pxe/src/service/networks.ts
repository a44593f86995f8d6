import { type Clock, PurlinError, type Run } from '@purlin/base'
import {
  type BootNotice,
  type BootService,
  type NodeDesk,
  openBootService,
  serverAddressOf,
} from '@purlin/boot-service'
import type { HealthAnswer, SpecOf } from '@purlin/schema'
import type { Store } from '@purlin/store'
import { z } from 'zod'
import { notServed } from '../api/network-calls.ts'
import type { Authority } from './authority.ts'
import { BootNetwork, type NetworkStanding, type WantedNetwork } from './boot-network.ts'

const WINDOW_PREFIX = '/enrol-window/'

export interface NetworkGrounds {
  readonly clock: Clock
  readonly run: Run
  readonly store: Pick<Store, 'list' | 'transact'>
  /** Each network has a folder of its own in it; dnsmasq must be able to enter it. */
  readonly folder: string
  readonly settings: {
    readonly httpPort: number
    readonly httpsPort: number
    readonly biosLoader: 'ipxe' | 'pxelinux'
    readonly user?: string | undefined
  }
  readonly desk: NodeDesk
  readonly authority: Authority
  readonly systemFile: (name: string) => string | undefined
  readonly onNotice: (network: string, notice: BootNotice) => void
  readonly onAccess: (network: string, line: string) => void
  readonly changed: (network: string, standing: NetworkStanding) => void
}

/** The deployment networks of this host, a boot service each. */
export class Networks {
  readonly #grounds: NetworkGrounds
  readonly #networks = new Map<string, BootNetwork>()
  readonly #windows: Map<string, number>

  private constructor(grounds: NetworkGrounds, windows: Map<string, number>) {
    this.#grounds = grounds
    this.#windows = windows
  }

  /** Reads the enrol windows that were open. Errors: PUR_STORE_*. */
  static async open(grounds: NetworkGrounds): Promise<Networks> {
    const { entries } = await grounds.store.list(WINDOW_PREFIX)
    const windows = entries.map(({ key, value }): [string, number] => [
      key.slice(WINDOW_PREFIX.length),
      (value as { untilMs: number }).untilMs,
    ])
    return new Networks(grounds, new Map(windows))
  }

  /** Brings these about; those that are not among them end. */
  want(wanted: ReadonlyMap<string, WantedNetwork>): void {
    for (const [name, network] of this.#networks) if (!wanted.has(name)) network.want(undefined)
    for (const [name, one] of wanted) {
      const network = this.#networks.get(name) ?? this.#make(name)
      this.#networks.set(name, network)
      network.want(one)
    }
  }

  standingOf(name: string): NetworkStanding | undefined {
    return this.#networks.get(name)?.standing()
  }

  openService(name: string): BootService | undefined {
    return this.#networks.get(name)?.service()
  }

  /** Errors: PUR_RESOURCE_MISSING, PUR_BOOT_*. */
  serviceOf(name: string): BootService {
    const network = this.#networks.get(name)
    const standing = network?.standing()
    if (network === undefined || standing?.state === 'closed') {
      const message = `no DeploymentNetwork named ${name}`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    const service = network.service()
    if (service === undefined) throw standing?.error ?? notServed(name, 'it is being opened')
    return service
  }

  enrolUntilMs(name: string): number | undefined {
    return this.#windows.get(name)
  }

  /** Opens or closes the enrol window of a network; it lasts over a restart. */
  async enrolUntil(name: string, untilMs: number | undefined): Promise<void> {
    const key = `${WINDOW_PREFIX}${name}`
    const write = untilMs === undefined ? { delete: key } : { put: key, value: { untilMs } }
    await this.#grounds.store.transact({ writes: [write] })
    if (untilMs === undefined) this.#windows.delete(name)
    else this.#windows.set(name, untilMs)
  }

  /** Networks as lanes of the daemon's health. */
  health(): HealthAnswer['lanes'] {
    return [...this.#networks].flatMap(([name, network]): HealthAnswer['lanes'] => {
      const { state, error } = network.standing()
      if (state === 'closed') return []
      const lane = `boot ${name}`
      if (state === 'failed') {
        return [{ lane, state: 'failed', ...(error && { lastError: error.message }) }]
      }
      return [{ lane, state: state === 'serving' ? 'idle' : 'starting' }]
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#networks.values()].map((network) => network.close()))
  }

  #make(name: string): BootNetwork {
    const network: BootNetwork = new BootNetwork({
      clock: this.#grounds.clock,
      open: (spec) => this.#open(name, spec),
      changed: () => this.#grounds.changed(name, network.standing()),
    })
    return network
  }

  async #open(network: string, spec: SpecOf<'DeploymentNetwork'>): Promise<BootService> {
    const { clock, run, folder, settings, desk, authority, systemFile, onNotice, onAccess } =
      this.#grounds
    const { subnet } = spec
    const address = await serverAddressOf(spec.interface, subnet.cidr, run)
    const identity = await authority.identityOf(network, address)
    const { gateway } = subnet
    return await openBootService({
      ...{ network, interface: spec.interface, clock, run, desk, systemFile },
      subnet: {
        ...{ cidr: subnet.cidr, from: subnet.from, to: subnet.to },
        ...(gateway !== undefined && { gateway }),
      },
      folder: `${folder}/${network}`,
      httpPort: settings.httpPort,
      httpsPort: settings.httpsPort,
      biosLoader: settings.biosLoader,
      ...(settings.user !== undefined && { user: settings.user }),
      tls: identity,
      onNotice: (notice) => onNotice(network, notice),
      onAccess: (line) => onAccess(network, line),
    })
  }
}

/** Every IPv4 address of this host, of interfaces without a carrier too. Errors: those of `run`. */
export async function ownAddresses(run: Run): Promise<readonly string[]> {
  const { stdout } = await run('ip', ['-json', '-4', 'address', 'show'], {
    timeoutMs: IP_TIMEOUT_MS,
  })
  return addressList
    .parse(JSON.parse(stdout))
    .flatMap((one) => one.addr_info.map(({ local }) => local))
}

const IP_TIMEOUT_MS = 10_000
const addressList = z.array(
  z.looseObject({ addr_info: z.array(z.looseObject({ local: z.string() })).default([]) }),
)
