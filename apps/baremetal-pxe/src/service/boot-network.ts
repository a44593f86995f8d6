import { isDeepStrictEqual } from 'node:util'
import { type Clock, type PurlinError, toPurlinError } from '@purlin/base'
import type { BootHost, BootService } from '@purlin/boot-service'
import type { SpecOf } from '@purlin/schema'

/** What a deployment network is to be. */
export interface WantedNetwork {
  readonly spec: SpecOf<'DeploymentNetwork'>
  readonly hosts: readonly BootHost[]
  /** Wall time until which unknown machines are answered, beside what the document says. */
  readonly enrolUntilMs?: number | undefined
}

/** What it is: `closed` once nobody wants it and all of it has ended. */
export interface NetworkStanding {
  readonly state: 'opening' | 'serving' | 'failed' | 'closed'
  readonly error?: PurlinError
  /** The document that is served by. */
  readonly spec?: SpecOf<'DeploymentNetwork'>
  readonly hosts: readonly BootHost[]
  /** Whether the last look found a DHCP server that is not ours; only while it is served. */
  readonly foreignServers?: boolean
}

export interface BootNetworkGrounds {
  readonly clock: Clock
  readonly open: (spec: SpecOf<'DeploymentNetwork'>) => Promise<BootService>
  /** Told of every change of the standing. */
  readonly changed: () => void
}

const RETRY_MS = 5_000

/** The boot service of one deployment network, brought to what is wanted, one step at a time. */
export class BootNetwork {
  readonly #grounds: BootNetworkGrounds
  #wanted: WantedNetwork | undefined
  #service: BootService | undefined
  #spec: SpecOf<'DeploymentNetwork'> | undefined
  #hosts: readonly BootHost[] = []
  #enrol = false
  #error: PurlinError | undefined
  #running: Promise<void> | undefined
  #again = false
  #closing = false
  #pause = new AbortController()

  constructor(grounds: BootNetworkGrounds) {
    this.#grounds = grounds
  }

  /** Undefined: nothing is wanted, it ends. */
  want(wanted: WantedNetwork | undefined): void {
    if (isDeepStrictEqual(wanted, this.#wanted) && this.#error === undefined) return
    if (!isDeepStrictEqual(wanted, this.#wanted)) this.#pause.abort()
    this.#wanted = wanted
    this.#again = true
    this.#running ??= this.#run()
  }

  standing(): NetworkStanding {
    const hosts = this.#hosts
    if (this.#error !== undefined) return { state: 'failed', error: this.#error, hosts }
    if (this.#service === undefined) {
      return { state: this.#wanted === undefined ? 'closed' : 'opening', hosts }
    }
    const foreignServers = this.#service.status().foreignServers.length > 0
    return { state: 'serving', ...(this.#spec && { spec: this.#spec }), hosts, foreignServers }
  }

  /** The service while it is open. */
  service(): BootService | undefined {
    return this.#service
  }

  async close(): Promise<void> {
    this.#closing = true
    this.want(undefined)
    while (this.#running !== undefined) await this.#running
    await this.#end()
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      this.#pause = new AbortController()
      try {
        await this.#bringAbout(this.#wanted)
        this.#error = undefined
      } catch (thrown) {
        this.#error = toPurlinError(thrown)
      }
      this.#grounds.changed()
      if (this.#closing) break
      const waitMs = this.#error ? RETRY_MS : this.#untilEnrolEndsMs()
      if (this.#again || waitMs === undefined) continue
      await this.#grounds.clock.sleep(waitMs, this.#pause.signal).catch(() => undefined)
      this.#again = true
    }
    this.#running = undefined
  }

  async #bringAbout(wanted: WantedNetwork | undefined): Promise<void> {
    if (wanted === undefined) {
      await this.#end()
      return
    }
    if (this.#service === undefined || !sameGround(this.#spec, wanted.spec)) {
      await this.#end()
      this.#service = await this.#grounds.open(wanted.spec)
    }
    this.#spec = wanted.spec
    if (!isDeepStrictEqual(this.#hosts, wanted.hosts)) {
      await this.#service.setHosts(wanted.hosts)
      this.#hosts = wanted.hosts
    }
    const until = wanted.enrolUntilMs ?? 0
    const enrol = wanted.spec.enrolUnknown || until > this.#grounds.clock.nowMs()
    if (enrol !== this.#enrol) {
      await this.#service.setEnrol(enrol)
      this.#enrol = enrol
    }
  }

  #untilEnrolEndsMs(): number | undefined {
    const until = this.#wanted?.enrolUntilMs
    if (!this.#enrol || until === undefined || this.#wanted?.spec.enrolUnknown) return undefined
    return Math.max(1, until - this.#grounds.clock.nowMs())
  }

  async #end(): Promise<void> {
    const service = this.#service
    this.#service = undefined
    this.#spec = undefined
    this.#hosts = []
    this.#enrol = false
    await service?.close()
  }
}

function sameGround(
  before: SpecOf<'DeploymentNetwork'> | undefined,
  after: SpecOf<'DeploymentNetwork'>,
): boolean {
  return before?.interface === after.interface && isDeepStrictEqual(before.subnet, after.subnet)
}
