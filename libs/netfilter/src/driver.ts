import { type Clock, type Fact, PurlinError, type Run } from '@purlin/base'
import { type Difference, difference } from './apply/difference.ts'
import { leftoverLines } from './apply/leftovers.ts'
import { Nft } from './apply/nft.ts'
import { elementRemovalLines, unusedLines } from './apply/removal.ts'
import { readRestoreHead, writeRestoreFile } from './apply/restore-file.ts'
import { type OpenNftSession, openNftSession } from './apply/session.ts'
import { type FollowLines, followLines } from './observe/follow.ts'
import { RulesetMonitor } from './observe/monitor.ts'
import {
  digestOf,
  type NetfilterObserved,
  type ObservedTable,
  withoutObjects,
} from './observe/observed.ts'
import { enforcedFacts } from './observe/status.ts'
import { type CommitStep, type NetfilterStep, planSteps, type RemoveNicStep } from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import type { KernelRuleset } from './target/kernel-ruleset.ts'
import { TABLE_NAME, type TableFamily, tableFamilies } from './target/names.ts'

export interface NetfilterDriverOptions {
  readonly run: Run
  readonly clock: Clock
  /** Where the complete rule set is kept for the next boot; absent: nowhere. */
  readonly restoreFile?: string
  /** The seam to `nft monitor`. */
  readonly follow?: FollowLines
  /** The seam to the nft program that stays. */
  readonly openSession?: OpenNftSession
}

/** Changes come in bursts, and a commit is one of ours; they are looked at once it is quiet. */
const QUIET_MS = 100

/** The lane of security groups: our two tables in the kernel of this host's network namespace. */
export class NetfilterDriver {
  readonly lane = 'netfilter'
  readonly #options: NetfilterDriverOptions
  readonly #nft: Nft
  /** Fingerprints of the chains as they were read back last. */
  #verified: ReadonlyMap<string, string> = new Map()
  #savedDigest: string | undefined
  #headRead = false
  #last: NetfilterObserved | undefined
  /** The kernel as it was when somebody was last told of a change. */
  #settledDigest: string | undefined
  #touched = false
  #executing = 0
  /** Steps begun so far. */
  #steps = 0
  /** The last observation before the step under way. */
  #beforeStep: NetfilterObserved | undefined
  #monitor: RulesetMonitor | undefined

  constructor(options: NetfilterDriverOptions) {
    this.#options = options
    this.#nft = new Nft(options.run, options.openSession ?? openNftSession)
  }

  /** What the kernel holds. The last reading serves as long as a monitor has heard of no change.
   *  Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED (a table of our name that is not ours),
   *  PUR_EXEC_*. */
  async observe(signal: AbortSignal): Promise<NetfilterObserved> {
    // A change that the monitor has heard of, be it our own, is looked at by `watch` soon: it tells
    // of what differs. To look here too would only delay whoever waits for a commit.
    if (this.#last !== undefined && this.#monitor?.listening === true) return this.#last
    await this.#readHead()
    this.#touched = false
    const observed = await this.#look(signal)
    this.#last = observed
    this.#settledDigest ??= digestOf(observed.tables)
    return observed
  }

  plan(desired: NetfilterDesired, observed: NetfilterObserved): readonly NetfilterStep[] {
    return planSteps(desired, observed)
  }

  /** Executes a step and reads both tables back. Errors: PUR_NFT_REFUSED (the kernel refused; says
   *  which NICs keep their former rules), PUR_NFT_READ_BACK, PUR_NFT_UNREADABLE, PUR_EXEC_*. */
  async execute(step: NetfilterStep, signal: AbortSignal): Promise<void> {
    this.#executing++
    this.#steps++
    this.#beforeStep = this.#last
    // Whatever happens below, the next observation must read the kernel.
    this.#last = undefined
    try {
      if (step.verb === 'commit') await this.#commit(step, signal)
      else if (step.verb === 'remove-nic') await this.#removeNic(step, signal)
      else await this.#settle(await this.#look(signal), step.wanted)
    } finally {
      this.#executing--
    }
  }

  facts(observed: NetfilterObserved): ReadonlySet<Fact> {
    return enforcedFacts(observed)
  }

  /** Tells of changes by somebody else, within a second, until the signal is aborted. */
  watch(onChange: (reason: string) => void, signal: AbortSignal): void {
    const { clock, follow = followLines } = this.#options
    let checking = false
    const check = async (): Promise<void> => {
      if (checking) return
      checking = true
      try {
        do {
          await clock.sleep(QUIET_MS, signal)
        } while (this.#executing > 0)
        if (await this.#hasDrifted(signal)) onChange('drift')
      } catch {
        // The kernel could not be read, or a foreign table stands there: the lane finds out and
        // says so.
        this.#last = undefined
        if (!signal.aborted) onChange('the tables could not be read')
      } finally {
        checking = false
        if (this.#touched && !signal.aborted) void check()
      }
    }
    this.#monitor = new RulesetMonitor({
      follow,
      clock,
      signal,
      onTouched: () => {
        this.#touched = true
        void check()
      },
    })
    void this.#monitor.run()
    signal.addEventListener('abort', () => this.#nft.close(), { once: true })
  }

  async #hasDrifted(signal: AbortSignal): Promise<boolean> {
    this.#touched = false
    const steps = this.#steps
    const observed = await this.#look(signal)
    // A step that began meanwhile reads back by itself, and what was read here is old.
    if (this.#steps !== steps) return false
    const digest = digestOf(observed.tables)
    const drifted = this.#settledDigest !== undefined && digest !== this.#settledDigest
    this.#last = observed
    this.#settledDigest = digest
    return drifted
  }

  async #commit(step: CommitStep, signal: AbortSignal): Promise<void> {
    const { aside, flip, remove, faults } = step.difference
    const ports = step.affectedPorts
    try {
      if (aside.length > 0) await this.#nft.load('new rules beside the old', aside, signal)
      if (flip.length > 0) await this.#nft.load('the turn to the new rules', flip, signal)
    } catch (thrown) {
      throw withPorts(thrown, ports)
    }
    const lines = [...aside, ...flip]
    const observed = await this.#readBack(lines, faults, signal)
    const left = difference(step.wanted, observed, step.retained)
    if (left.aside.length + left.flip.length > 0) throw readBackError(left, ports)
    const deletions = leftoverLines(remove)
    if (deletions.length === 0) {
      await this.#settle(observed, step.wanted)
      return
    }
    // Only now: a packet that was inside an old chain at the turn has long left it. What the kernel
    // holds after it is known, and the monitor's next look compares.
    const tables = withoutObjects(observed.tables, remove)
    try {
      await Promise.all([
        this.#nft.load('deletion of what is left over', deletions, signal),
        this.#settle({ ...observed, tables }, step.wanted),
      ])
    } catch (thrown) {
      this.#last = undefined
      throw thrown
    }
  }

  async #removeNic(step: RemoveNicStep, signal: AbortSignal): Promise<void> {
    const lines = elementRemovalLines(step.elements, await this.#look(signal))
    if (lines.length > 0) await this.#nft.load(`closing of ${step.port}`, lines, signal)
    const unused = unusedLines(await this.#look(signal))
    if (unused.length > 0) await this.#nft.load('deletion of what is left over', unused, signal)
    const observed = await this.#look(signal)
    if (elementRemovalLines(step.elements, observed).length > 0) {
      throw new PurlinError('PUR_NFT_READ_BACK', {
        message: `elements of ${step.port} are still in the kernel after their deletion`,
        context: { port: step.port },
      })
    }
    await this.#settle(observed, step.wanted)
  }

  /** Takes what was read back for the truth, and keeps it for the next boot. */
  async #settle(observed: NetfilterObserved, wanted: KernelRuleset): Promise<void> {
    const verified = new Map<string, string>()
    for (const table of Object.values(observed.tables)) {
      for (const [key, chain] of table?.chains ?? []) {
        const former = observed.altered.has(key) ? this.#verified.get(key) : undefined
        verified.set(key, former ?? chain.fingerprint)
      }
    }
    this.#verified = verified
    const digest = digestOf(observed.tables)
    this.#settledDigest = digest
    this.#last = observed
    const { restoreFile } = this.#options
    if (restoreFile === undefined) return
    await writeRestoreFile(restoreFile, wanted, { digest, verified })
    this.#savedDigest = digest
    this.#last = { ...observed, saved: true }
  }

  async #look(signal: AbortSignal): Promise<NetfilterObserved> {
    const found = await this.#nft.list(tableFamilies, signal)
    return this.#judged({ bridge: found.bridge, inet: found.inet }, new Map())
  }

  /** Reads what the lines have touched; the rest too, unless a monitor has heard of no change
   *  of it. `written`: faults that a commit has mended; chains it wrote are not held against
   *  what was before. */
  async #readBack(
    lines: readonly string[],
    written: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<NetfilterObserved> {
    const before = this.#monitor?.listening === true ? this.#beforeStep?.tables : undefined
    const touched = tableFamilies.filter(
      (table) =>
        before?.[table] === undefined ||
        lines.some((line) => line.includes(` ${table} ${TABLE_NAME} `)),
    )
    const fresh = await this.#nft.list(touched, signal)
    const tableOf = (table: TableFamily): ObservedTable | undefined =>
      touched.includes(table) ? fresh[table] : before?.[table]
    return this.#judged({ bridge: tableOf('bridge'), inet: tableOf('inet') }, written)
  }

  #judged(
    tables: NetfilterObserved['tables'],
    written: ReadonlyMap<string, string>,
  ): NetfilterObserved {
    const altered = new Set<string>()
    for (const table of Object.values(tables)) {
      for (const [key, chain] of table?.chains ?? []) {
        const verified = this.#verified.get(key)
        if (verified === undefined || verified === chain.fingerprint) continue
        if (!written.has(`chain ${key}`)) altered.add(key)
      }
    }
    const saved = this.#options.restoreFile === undefined || this.#savedDigest === digestOf(tables)
    return { tables, altered, saved }
  }

  /** After a start, what was read back before the stop tells whether anybody edited a rule
   *  since. */
  async #readHead(): Promise<void> {
    if (this.#headRead || this.#options.restoreFile === undefined) return
    const head = await readRestoreHead(this.#options.restoreFile)
    this.#headRead = true
    if (head === undefined) return
    this.#verified = head.verified
    this.#savedDigest = head.digest
  }
}

/** The driver of the netfilter lane. */
export function createNetfilterDriver(options: NetfilterDriverOptions): NetfilterDriver {
  return new NetfilterDriver(options)
}

function readBackError(left: Difference, ports: readonly string[]): PurlinError {
  const shown = [...left.faults].slice(0, 5).map(([key, fault]) => `${key} ${fault}`)
  return new PurlinError('PUR_NFT_READ_BACK', {
    message: `the rules read back are not the ones loaded: ${shown.join('; ') || 'something is left over'}; NICs concerned: ${ports.join(', ') || 'none'}`,
    context: { faults: Object.fromEntries(left.faults), notEnforced: ports },
  })
}

function withPorts(thrown: unknown, ports: readonly string[]): unknown {
  if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_NFT_REFUSED') return thrown
  return new PurlinError('PUR_NFT_REFUSED', {
    message: `${thrown.message}; the former rules stay in force; not enforced as desired: ${ports.join(', ') || 'none'}`,
    context: { notEnforced: ports },
    cause: thrown,
  })
}
