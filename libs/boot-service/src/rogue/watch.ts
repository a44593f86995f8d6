import { type Clock, toPurlinError } from '@purlin/base'
import type { BootNotice } from '../notice.ts'
import type { ForeignServer } from './foreign-server.ts'
import { probeForeignServers, probeMac } from './probe.ts'

const INTERVAL_MS = 10 * 60_000

export interface ForeignServerWatchOptions {
  readonly network: string
  readonly interface: string
  readonly serverAddress: string
  readonly clock: Clock
  readonly onNotice: (notice: BootNotice) => void
}

/** Looks for DHCP servers that are not ours at the start, every ten minutes, and when asked, and
 *  tells of each that came or went. */
export class ForeignServerWatch {
  readonly #options: ForeignServerWatchOptions
  readonly #over = new AbortController()
  readonly #asking = new Set<string>()
  #known: readonly ForeignServer[] = []
  #running: Promise<readonly ForeignServer[]> | undefined
  #following: Promise<void> = Promise.resolve()

  constructor(options: ForeignServerWatchOptions) {
    this.#options = options
  }

  start(): void {
    const { clock } = this.#options
    const follow = async (): Promise<void> => {
      while (!this.#over.signal.aborted) {
        // A look that could not be made is told by whoever asks for one.
        await this.look().catch(() => {})
        await clock.sleep(INTERVAL_MS, this.#over.signal)
      }
    }
    this.#following = follow().catch(() => {})
  }

  /** Looks now; a look that is on its way is shared. Errors: PUR_BOOT_DHCP. */
  async look(): Promise<readonly ForeignServer[]> {
    this.#running ??= this.#lookOnce().finally(() => {
      this.#running = undefined
    })
    return await this.#running
  }

  known(): readonly ForeignServer[] {
    return this.#known
  }

  /** Whether the MAC is a probe's on its way, and no stranger's. */
  isProbe(mac: string): boolean {
    return this.#asking.has(mac)
  }

  async close(): Promise<void> {
    this.#over.abort(toPurlinError('closed'))
    await this.#following
    await this.#running?.catch(() => {})
  }

  async #lookOnce(): Promise<readonly ForeignServer[]> {
    const { network, serverAddress, clock, onNotice } = this.#options
    const mac = probeMac()
    this.#asking.add(mac)
    try {
      const found = await probeForeignServers(serverAddress, mac, clock, this.#over.signal)
      const before = new Set(this.#known.map(({ server }) => server))
      const now = new Set(found.map(({ server }) => server))
      this.#known = found
      for (const { server, offered, bootFile } of found) {
        if (before.has(server)) continue
        const file = bootFile === undefined ? '' : ` and the boot file ${bootFile}`
        onNotice({
          what: 'foreign-server',
          level: 'alert',
          address: server,
          message: `another DHCP server, ${server}, answers on ${this.#options.interface} of network ${network}: it offered ${offered}${file}; machines may boot from it: take it off the network`,
        })
      }
      for (const server of before) {
        if (now.has(server)) continue
        const message = `the DHCP server ${server} answers no longer on network ${network}`
        onNotice({ what: 'foreign-server-gone', level: 'note', address: server, message })
      }
      return found
    } finally {
      this.#asking.delete(mac)
    }
  }
}
