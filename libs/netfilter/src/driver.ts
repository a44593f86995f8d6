import { type Clock, type Fact, PurlinError, toPurlinError } from '@purlin/base'
import { applied, type Held, tidied, without, withoutElements } from './apply/applied.ts'
import { endConnections } from './apply/end-connections.ts'
import { Kernel } from './apply/kernel.ts'
import { leftoverChanges } from './apply/leftovers.ts'
import { readAllBack, readBack } from './apply/read-back.ts'
import { elementRemovals, unused } from './apply/removal.ts'
import { readRestoreHead, writeRestoreFile } from './apply/restore-file.ts'
import { Compiler } from './compile/compiler.ts'
import { type Change, type NetfilterSocket, openNetfilterSocket } from './netlink/index.ts'
import { hitsOf, type RuleHits } from './observe/hits.ts'
import { type LoggedFlow, loggedFlow } from './observe/logged-flow.ts'
import { chainPrint, digestOf, type NetfilterObserved } from './observe/observed.ts'
import { enforcedFacts } from './observe/status.ts'
import {
  type CommitStep,
  type NetfilterStep,
  planSteps,
  type RemoveNicStep,
  type SettleStep,
} from './plan.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { LOG_GROUP } from './target/log.ts'
import type { Verification } from './verify/verification.ts'
import { verifyKernel } from './verify/verify-kernel.ts'

export interface NetfilterDriverOptions {
  readonly clock: Clock
  /** Where the complete rule set is kept for the next boot; absent: nowhere. */
  readonly restoreFile?: string
  /** The seam to the kernel; absent: that of this thread's network namespace. */
  readonly openSocket?: () => NetfilterSocket
  /** The seam to the choice of forms; absent: lists take the cheaper form. */
  readonly compiler?: Compiler
  /** Told how many connections a change has ended, where it ended any. */
  readonly onEnded?: (count: number) => void
}

/** Changes come in bursts; they are looked at once it is quiet. */
const QUIET_MS = 50

/** The lane of security groups: our two tables in the kernel of this host's network namespace. */
export class NetfilterDriver {
  readonly lane = 'netfilter'
  readonly #options: NetfilterDriverOptions
  readonly #compiler: Compiler
  #opened: { readonly socket: NetfilterSocket; readonly kernel: Kernel } | undefined
  /** Prints of the chains as they were in force when the file was written. */
  #prints: ReadonlyMap<string, string> = new Map()
  #headRead = false
  #savedDigest: string | undefined
  /** What the file holds, as long as nothing else is known to stand in the kernel. */
  #saved: Held | undefined
  /** The policy in force; undefined until this driver has brought one about. */
  #policy: NetfilterDesired | undefined
  /** Connections of these NICs may go on that the rules in force refuse: the policy they began
   *  under, where it is known. */
  #owing: { readonly before: NetfilterDesired | undefined; readonly ports: Set<string> } | undefined
  /** What commits wrote that was not read back yet, and the NICs it concerns. */
  #unread: { readonly changes: readonly Change[]; readonly ports: readonly string[] } =
    NOTHING_UNREAD
  #observed: { readonly held: Held; readonly observed: NetfilterObserved } | undefined
  #factsOf: { readonly observed: NetfilterObserved; readonly facts: ReadonlySet<Fact> } | undefined
  #executing = 0

  constructor(options: NetfilterDriverOptions) {
    this.#options = options
    this.#compiler = options.compiler ?? new Compiler()
  }

  /** What the kernel holds. It is read only where nobody has listened since it was read last, or
   *  somebody else has changed it. Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED (a table of our
   *  name that is not ours). */
  async observe(signal: AbortSignal): Promise<NetfilterObserved> {
    await this.#readHead()
    return this.#judged(await this.#kernel().look(signal))
  }

  plan(desired: NetfilterDesired, observed: NetfilterObserved): readonly NetfilterStep[] {
    return planSteps(desired, observed, this.#compiler)
  }

  /** Executes a step and reads back what it wrote. Errors: PUR_NFT_REFUSED (the kernel refused;
   *  says which NICs keep their former rules), PUR_NFT_READ_BACK, PUR_NFT_UNREADABLE,
   *  PUR_NFT_CONCURRENT. */
  async execute(step: NetfilterStep, signal: AbortSignal): Promise<void> {
    this.#executing++
    try {
      if (step.verb === 'commit') await this.#commit(step, signal)
      else if (step.verb === 'remove-nic') await this.#removeNic(step, signal)
      else await this.#settle(step, signal)
    } catch (thrown) {
      this.#kernel().forget()
      throw thrown
    } finally {
      this.#executing--
    }
  }

  facts(observed: NetfilterObserved): ReadonlySet<Fact> {
    if (this.#factsOf?.observed !== observed) {
      this.#factsOf = { observed, facts: enforcedFacts(observed) }
    }
    return this.#factsOf.facts
  }

  /** Reads the kernel's rule set and proves that it decides every packet as the policy does, or
   *  says what does not, with a packet that shows it. Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED,
   *  PUR_INVALID, PUR_CANCELLED. */
  async verify(desired: NetfilterDesired, signal: AbortSignal): Promise<Verification> {
    const held = await this.#kernel().readApart(signal)
    return await verifyKernel(desired, { ...held, altered: new Set(), settled: true }, signal)
  }

  /** What each rule in force has decided since its list was loaded. Errors: PUR_NFT_UNREADABLE. */
  async hits(signal: AbortSignal): Promise<readonly RuleHits[]> {
    const { socket, kernel } = this.#open()
    const held = await kernel.look(signal)
    return hitsOf(held, await socket.readCounters('inet', { signal }))
  }

  /** Tells of new flows that rules with `log` decide, until the signal is aborted. One listener on
   *  a host. Errors: PUR_NFT_REFUSED. */
  async watchLogs(
    desired: () => NetfilterDesired,
    onFlow: (flow: LoggedFlow) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = await this.#open().socket.watchLogs(LOG_GROUP, (packet) => {
      const flow = loggedFlow(packet, desired())
      if (flow !== undefined) onFlow(flow)
    })
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  }

  /** Tells of changes by somebody else, within a second, until the signal is aborted. */
  watch(onChange: (reason: string) => void, signal: AbortSignal): void {
    let kernel: Kernel
    try {
      kernel = this.#kernel()
    } catch {
      // Without the privilege or the addon there is nothing to listen to: looking says why.
      return
    }
    let looking = false
    const look = async (): Promise<void> => {
      if (looking) return
      looking = true
      try {
        do {
          await this.#options.clock.sleep(QUIET_MS, signal)
        } while (this.#executing > 0)
        const before = kernel.former
        const after = await kernel.look(signal)
        if (before !== after) onChange('drift')
      } catch {
        // The kernel could not be read, or a foreign table stands there: the lane finds out and
        // says so.
        if (!signal.aborted) onChange('the tables could not be read')
      } finally {
        looking = false
        if (kernel.held === undefined && !signal.aborted) void look()
      }
    }
    kernel.listen(() => void look(), signal)
    signal.addEventListener('abort', () => this.close(), { once: true })
  }

  /** Gives the socket back; the next call opens another. */
  close(): void {
    this.#opened?.socket.close()
    this.#opened = undefined
  }

  #open(): { readonly socket: NetfilterSocket; readonly kernel: Kernel } {
    if (this.#opened === undefined) {
      const socket = (this.#options.openSocket ?? openNetfilterSocket)()
      this.#opened = { socket, kernel: new Kernel(socket, this.#options.clock) }
    }
    return this.#opened
  }

  #kernel(): Kernel {
    return this.#open().kernel
  }

  async #commit(step: CommitStep, signal: AbortSignal): Promise<void> {
    const { wanted, changed, desired, retained, affectedPorts: ports } = step
    const { aside, flip, classes } = step.difference
    const kernel = this.#kernel()
    const before = kernel.held
    try {
      await kernel.commit(aside, signal)
      await kernel.commit(flip, signal)
      await kernel.commit(classes, signal)
    } catch (thrown) {
      throw withPorts(thrown, ports)
    }
    this.#owe(ports)
    this.#policy = desired
    if (before !== undefined) {
      kernel.take(applied(before, wanted, step.difference, retained, changed), before)
    }
    this.#unread = {
      changes: [...this.#unread.changes, ...aside, ...flip, ...classes],
      ports: [...new Set([...this.#unread.ports, ...ports])],
    }
    // A machine may start once its NIC is enforced, so that is read back first. Of NICs that stand
    // the kernel's word is enough until they are settled.
    if (step.newPorts.length > 0) await this.#readWritten('if little', signal)
  }

  /** Reads back what commits have written; where that is too much to be read part by part, all of
   *  it, or later. */
  async #readWritten(when: 'if little' | 'in any case', signal: AbortSignal): Promise<void> {
    const { changes, ports } = this.#unread
    if (changes.length === 0) return
    const kernel = this.#kernel()
    const isRead = await readBack(this.#open().socket, kernel, changes, ports, signal)
    if (!isRead && when === 'if little') return
    if (!isRead) await readAllBack(kernel, ports, signal)
    this.#unread = NOTHING_UNREAD
  }

  async #removeNic(step: RemoveNicStep, signal: AbortSignal): Promise<void> {
    const kernel = this.#kernel()
    const held = await kernel.look(signal)
    const removals = elementRemovals(step.elements, held)
    await kernel.commit(removals, signal)
    const closed = withoutElements(held, step.elements)
    kernel.take(closed, held)
    await readBack(this.#open().socket, kernel, removals, [step.port], signal)
    const left = unused(this.#judged(closed))
    await kernel.commit(leftoverChanges(left), signal)
    kernel.take(without(closed, left), closed)
  }

  /** Deletes what is left over, ends what the rules in force refuse, where that is not known to be
   *  done, and keeps them for the next boot. */
  async #settle({ desired, difference, classes }: SettleStep, signal: AbortSignal): Promise<void> {
    const kernel = this.#kernel()
    await this.#readWritten('in any case', signal)
    const before = await kernel.look(signal)
    const held = tidied(before, difference)
    // Only now: a packet that was inside an old chain at the turn has long left it.
    await kernel.commit(difference.remove, signal)
    kernel.take(held, before)
    if (this.#policy === undefined) this.#owe(desired.nics.map((nic) => nic.port))
    if (this.#owing !== undefined) {
      const { before, ports } = this.#owing
      const { socket } = this.#open()
      const { clock } = this.#options
      const count = await endConnections(socket, before, desired, ports, clock, signal)
      if (count > 0) this.#options.onEnded?.(count)
    }
    this.#owing = undefined
    this.#policy = desired
    const { restoreFile } = this.#options
    if (restoreFile === undefined) return
    const prints = new Map([...held.chains].map(([key, chain]) => [key, chainPrint(chain)]))
    const digest = digestOf(held)
    await writeRestoreFile(restoreFile, held, { digest, prints, classes })
    this.#prints = prints
    this.#savedDigest = digest
    this.#saved = held
  }

  /** Between two settlings the oldest policy is what connections began under. */
  #owe(ports: readonly string[]): void {
    this.#owing ??= { before: this.#policy, ports: new Set() }
    for (const port of ports) this.#owing.ports.add(port)
  }

  #judged(held: Held): NetfilterObserved {
    const settled = this.#isSettled(held)
    if (this.#observed?.held === held && this.#observed.observed.settled === settled) {
      return this.#observed.observed
    }
    const altered = new Set<string>()
    for (const [key, chain] of held.chains) {
      const print = this.#prints.get(key)
      // What stands as it was saved needs no look, and what is not in the file is new.
      if (print === undefined || this.#saved?.chains.get(key) === chain) continue
      if (chainPrint(chain) !== print) altered.add(key)
    }
    const observed = { ...held, altered, settled }
    this.#observed = { held, observed }
    return observed
  }

  #isSettled(held: Held): boolean {
    if (this.#owing !== undefined) return false
    if (this.#options.restoreFile === undefined || this.#saved === held) return true
    // After a commit of our own the file is behind; only what was read may be what it holds.
    if (this.#savedDigest === undefined || this.#savedDigest !== digestOf(held)) return false
    this.#saved = held
    return true
  }

  /** After a start, what was in force before the stop tells whether anybody edited a rule since. */
  async #readHead(): Promise<void> {
    if (this.#headRead || this.#options.restoreFile === undefined) return
    const head = await readRestoreHead(this.#options.restoreFile)
    this.#headRead = true
    if (head === undefined) return
    this.#prints = head.prints
    this.#savedDigest = head.digest
    this.#compiler.keep(head.classes)
  }
}

const NOTHING_UNREAD = { changes: [], ports: [] }

/** The driver of the netfilter lane. */
export function createNetfilterDriver(options: NetfilterDriverOptions): NetfilterDriver {
  return new NetfilterDriver(options)
}

function withPorts(thrown: unknown, ports: readonly string[]): unknown {
  const error = toPurlinError(thrown)
  if (error.code !== 'PUR_NFT_REFUSED') return thrown
  return new PurlinError('PUR_NFT_REFUSED', {
    message: `${error.message}; the former rules stay in force; not enforced as desired: ${ports.join(', ') || 'none'}`,
    context: { ...error.context, notEnforced: ports },
    cause: thrown,
  })
}
