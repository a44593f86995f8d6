import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import { Bell } from './bell.ts'
import { type DhcpChild, startDhcpChild } from './child.ts'
import type { DhcpFiles } from './configuration.ts'
import { writeReadable } from './folder.ts'
import { endFormerDhcp } from './former.ts'
import { type ProofOfLife, proveLife } from './inform.ts'
import { type LogFact, readLogLine } from './log-line.ts'

/** Changes that come together are read together. */
const GATHER_MS = 100
const READY_DEADLINE_MS = 5_000
const RELOAD_DEADLINE_MS = 3_000
const PROOF_INTERVAL_MS = 20_000
const PROOF_LIMIT_MS = 1_500
const PROOF_TRIES = 2
const STOP_PATIENCE_MS = 2_000
/** The first start again is at once; those that follow soon after each other wait longer. */
const BACKOFF_FIRST_MS = 200
const BACKOFF_LAST_MS = 30_000
const STABLE_MS = 10_000
const TAKE_DEADLINE_MS = 30_000

/** What dnsmasq is to work by: its configuration file and its hosts file, as texts. */
export interface DhcpWanted {
  readonly configuration: string
  readonly hosts: string
}

export interface DhcpNews {
  readonly what: 'ended' | 'serves' | 'failed'
  readonly message: string
}

export interface DhcpKeeperOptions {
  readonly files: DhcpFiles
  readonly serverAddress: string
  readonly clock: Clock
  readonly onFact: (fact: LogFact) => void
  readonly onNews: (news: DhcpNews) => void
  /** The seam to the question whether it lives. */
  readonly prove?: (serverAddress: string, limitMs: number, clock: Clock) => Promise<ProofOfLife>
}

export interface DhcpState {
  readonly state: 'serving' | 'starting' | 'failed'
  readonly restarts: number
  readonly reason?: string
}

interface Waiter {
  readonly version: number
  readonly resolve: () => void
}

/** Keeps one dnsmasq running as it is wanted: starts it, has it read changes, asks it whether it
 *  lives, and starts it again when it ended or does not answer. */
export class DhcpKeeper {
  readonly #options: DhcpKeeperOptions
  readonly #bell = new Bell()
  readonly #waiters = new Set<Waiter>()
  #wanted: DhcpWanted
  #version = 1
  #taken = 0
  #child: DhcpChild | undefined
  #hostsRead = 0
  #state: DhcpState['state'] = 'starting'
  #reason: string | undefined
  #restarts = 0
  #closed = false
  #over: Promise<void> = Promise.resolve()

  constructor(options: DhcpKeeperOptions, wanted: DhcpWanted) {
    this.#options = options
    this.#wanted = wanted
  }

  /** Ends what a former daemon left, starts dnsmasq and resolves when it answers. Errors:
   *  PUR_BOOT_DHCP with the end of its log; nothing runs then. */
  async open(): Promise<void> {
    await endFormerDhcp(this.#options.files.configuration, this.#options.clock)
    const failure = await this.#start()
    if (failure !== undefined) {
      await this.#stop()
      throw new PurlinError('PUR_BOOT_DHCP', { message: `start DHCP: ${failure}` })
    }
    this.#serve()
    this.#over = this.#keep()
  }

  /** Makes `wanted` what it works by; resolves when it does. Errors: PUR_BOOT_DHCP when it does not
   *  within 30 s; it is tried on. */
  async take(wanted: DhcpWanted): Promise<void> {
    this.#wanted = wanted
    const version = ++this.#version
    const { clock } = this.#options
    const timer = new AbortController()
    await new Promise<void>((resolve, reject) => {
      const waiter = { version, resolve }
      this.#waiters.add(waiter)
      clock.sleep(TAKE_DEADLINE_MS, timer.signal).then(
        () => {
          this.#waiters.delete(waiter)
          reject(
            new PurlinError('PUR_BOOT_DHCP', {
              message: `have DHCP take a change: it did not within ${TAKE_DEADLINE_MS} ms: ${this.#reason ?? 'it is being started'}`,
            }),
          )
        },
        () => {},
      )
      this.#bell.ring()
    }).finally(() => timer.abort())
  }

  state(): DhcpState {
    return {
      state: this.#state,
      restarts: this.#restarts,
      ...(this.#reason !== undefined && { reason: this.#reason }),
    }
  }

  /** Number of the process that serves now. */
  processId(): number | undefined {
    return this.#child?.ended() === undefined ? this.#child?.processId : undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#bell.ring()
    await this.#over
    await this.#stop()
  }

  async #keep(): Promise<void> {
    const { clock, onNews } = this.#options
    let backoffMs = 0
    while (!this.#closed) {
      const startedMs = clock.monotonicMs()
      const ending = await this.#attend()
      if (this.#closed) return
      this.#state = 'starting'
      if (ending !== undefined) {
        this.#reason = ending
        onNews({ what: 'ended', message: ending })
        if (clock.monotonicMs() - startedMs > STABLE_MS) backoffMs = 0
      }
      await this.#stop()
      for (;;) {
        if (ending !== undefined) {
          await this.#pause(backoffMs)
          backoffMs = Math.min(Math.max(backoffMs * 2, BACKOFF_FIRST_MS), BACKOFF_LAST_MS)
          this.#restarts++
        }
        if (this.#closed) return
        const failure = await this.#start().catch((thrown) => toPurlinError(thrown).message)
        if (failure === undefined) break
        this.#state = 'failed'
        this.#reason = failure
        onNews({ what: 'failed', message: `start DHCP: ${failure}` })
        await this.#stop()
        await this.#pause(Math.max(backoffMs, BACKOFF_FIRST_MS))
        backoffMs = Math.min(Math.max(backoffMs * 2, BACKOFF_FIRST_MS), BACKOFF_LAST_MS)
      }
      this.#serve()
      if (ending !== undefined) onNews({ what: 'serves', message: 'DHCP serves again' })
    }
  }

  /** Follows a dnsmasq that serves, until it is to be replaced. Answers why, in words; undefined:
   *  its configuration changed. */
  async #attend(): Promise<string | undefined> {
    const { clock } = this.#options
    let served = this.#wanted
    let provenMs = clock.monotonicMs()
    while (!this.#closed) {
      const ending = this.#child?.ended()
      if (ending !== undefined) return ending
      if (this.#taken < this.#version) {
        await clock.sleep(GATHER_MS)
        const { wanted, version } = { wanted: this.#wanted, version: this.#version }
        if (wanted.configuration !== served.configuration) return undefined
        if (wanted.hosts !== served.hosts) {
          const failure = await this.#reload(wanted.hosts)
          if (failure !== undefined) return failure
        }
        served = wanted
        this.#tookOver(version)
        continue
      }
      const dueMs = provenMs + PROOF_INTERVAL_MS - clock.monotonicMs()
      if (dueMs > 0) {
        await this.#bell.wait(dueMs, clock)
        continue
      }
      if (!(await this.#answers())) return 'dnsmasq ran and answered no question'
      provenMs = clock.monotonicMs()
    }
    return undefined
  }

  /** Has the hosts file read again and sees it answer afterwards. Answers what went wrong. */
  async #reload(hosts: string): Promise<string | undefined> {
    const { clock, files } = this.#options
    await writeReadable(files.hosts, hosts)
    const before = this.#hostsRead
    this.#child?.signal('SIGHUP')
    const endMs = clock.monotonicMs() + RELOAD_DEADLINE_MS
    while (this.#hostsRead === before) {
      const ending = this.#child?.ended()
      if (ending !== undefined) return ending
      if (clock.monotonicMs() > endMs) return 'dnsmasq did not read its hosts again'
      await this.#bell.wait(endMs - clock.monotonicMs() + 1, clock)
    }
    return (await this.#answers()) ? undefined : 'dnsmasq answered no question after a change'
  }

  async #answers(): Promise<boolean> {
    const { prove = proveLife, serverAddress, clock } = this.#options
    for (let tries = 0; tries < PROOF_TRIES; tries++) {
      if (this.#child?.ended() !== undefined) return false
      if ((await prove(serverAddress, PROOF_LIMIT_MS, clock)) !== 'silent') return true
    }
    return false
  }

  /** Writes the files, starts it and waits until it answers. Answers what went wrong. */
  async #start(): Promise<string | undefined> {
    const { clock, files, onFact } = this.#options
    const { wanted, version } = { wanted: this.#wanted, version: this.#version }
    await writeReadable(files.configuration, wanted.configuration)
    await writeReadable(files.hosts, wanted.hosts)
    const before = this.#hostsRead
    const child = startDhcpChild(
      files.configuration,
      (line) => {
        const fact = readLogLine(line)
        if (fact?.fact !== 'hosts-read') {
          if (fact !== undefined) onFact(fact)
          return
        }
        this.#hostsRead++
        this.#bell.ring()
      },
      () => this.#bell.ring(),
    )
    this.#child = child
    const endMs = clock.monotonicMs() + READY_DEADLINE_MS
    while (this.#hostsRead === before && child.ended() === undefined) {
      if (clock.monotonicMs() > endMs) return `dnsmasq was not ready within ${READY_DEADLINE_MS} ms`
      await this.#bell.wait(endMs - clock.monotonicMs() + 1, clock)
    }
    if (child.ended() === undefined && (await this.#answers())) {
      this.#tookOver(version)
      return undefined
    }
    return child.ended() ?? 'dnsmasq runs and answers no question'
  }

  #serve(): void {
    this.#state = 'serving'
    this.#reason = undefined
  }

  #tookOver(version: number): void {
    this.#taken = version
    for (const waiter of this.#waiters) {
      if (waiter.version > version) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  /** Waits, but not when it is closed in between. */
  async #pause(durationMs: number): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + durationMs
    while (!this.#closed && clock.monotonicMs() < endMs) {
      await this.#bell.wait(endMs - clock.monotonicMs(), clock)
    }
  }

  async #stop(): Promise<void> {
    const child = this.#child
    const { clock } = this.#options
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (child === undefined || child.ended() !== undefined) return
      child.signal(signal)
      // One that is halted takes no TERM; KILL ends it all the same.
      const endMs = clock.monotonicMs() + STOP_PATIENCE_MS
      while (child.ended() === undefined && clock.monotonicMs() < endMs) {
        await this.#bell.wait(endMs - clock.monotonicMs(), clock)
      }
    }
  }
}
