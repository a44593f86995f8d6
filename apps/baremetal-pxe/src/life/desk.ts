import { PurlinError } from '@purlin/base'
import {
  type Answer,
  type BootDecision,
  type BootRequest,
  type Grant,
  type NodeDesk,
  newToken,
  nodeUrl,
  type Refusal,
  refusal,
  tokenSha256,
} from '@purlin/boot-service'
import { parseDiscoveryReport } from '@purlin/deployment-template'
import { bootPlan } from './boot-plan.ts'
import type { CommandMeans } from './carry-out.ts'
import type { ChassisRunner } from './chassis-runner.ts'
import { type NodeStep, nodeSteps } from './event.ts'
import { judgeLoader, judgeReport } from './judge.ts'
import { type BootReach, discoveryArguments, installerArguments } from './kernel-arguments.ts'
import type { BootPurpose, Life, LifeGrant } from './life.ts'
import { nodeFile } from './node-files.ts'
import { orderOf } from './node-orders.ts'
import { changeWords, compareReports } from './reports.ts'
import { isStranger, type Strangers } from './strangers.ts'
import { wordOfReport } from './words/nodes.ts'

const HOUR_MS = 3_600_000
/** How long a token is good at most; it ends earlier with the boot that it was made for. */
const TOKEN_MS: Readonly<Record<BootPurpose, number>> = {
  discover: HOUR_MS,
  install: 12 * HOUR_MS,
  image: 12 * HOUR_MS,
  erase: 50 * HOUR_MS,
  rescue: 7 * 24 * HOUR_MS,
}
const INSTALL_STEPS: readonly NodeStep[] = nodeSteps.filter(
  (step) => !['erasing', 'erased', 'rescue'].includes(step),
)
const STEPS: Readonly<Record<BootPurpose, readonly NodeStep[]>> = {
  discover: ['failed'],
  install: INSTALL_STEPS,
  image: INSTALL_STEPS,
  erase: ['erasing', 'erased', 'failed'],
  rescue: ['rescue', 'failed'],
}
/** An order that has not come is looked for so often while a node waits. */
const DEFAULT_CONSOLES = ['ttyS0,115200']

/** Where the desk finds the lives. */
export interface DeskGrounds {
  readonly means: CommandMeans
  readonly strangers: Strangers
  runnerOf(chassis: string): ChassisRunner | undefined
  runnerOfMac(mac: string): ChassisRunner | undefined
  /** Of the token of a boot. */
  runnerOfToken(sha256: string): ChassisRunner | undefined
  runners(): Iterable<ChassisRunner>
}

/** Decides for the nodes: what they boot, may fetch, and are to do. Metrics are not its matter. */
export class LifeDesk implements Omit<NodeDesk, 'onMetrics'> {
  readonly #grounds: DeskGrounds

  constructor(grounds: DeskGrounds) {
    this.#grounds = grounds
  }

  async onBoot(request: BootRequest): Promise<BootDecision> {
    const runner = this.#grounds.runnerOfMac(request.mac)
    if (runner === undefined) return this.#boardStranger(request)
    const plan = bootPlan(runner.life)
    if (plan.boot === 'disk') return { boot: 'disk' }
    const token = newToken(this.#grounds.means.grounds.random)
    const { machine, words } = judgeLoader(runner.life, request)
    const grant = this.#grantFor(runner.life, tokenSha256(token), request)
    // It is told also where nothing is to be booted: a start in the middle of work ends that.
    const posted = await this.#posted(() => runner.post({ type: 'contact', grant, machine, words }))
    if (plan.boot === 'nothing') return { boot: 'refused', reason: plan.reason }
    if (!posted.ok) return { boot: 'refused', reason: posted.reason }
    if (runner.life.grant?.tokenSha256 !== grant.tokenSha256) {
      const { chassis, failure } = runner.life
      return { boot: 'refused', reason: `chassis ${chassis}: ${failure?.cause ?? 'it went on'}` }
    }
    return this.#scriptFor(runner.life, token, request)
  }

  grantOf(sha256: string): Grant | undefined {
    const runner = this.#grounds.runnerOfToken(sha256)
    const grant = runner?.life.grant
    if (runner === undefined || grant === undefined) return this.#grounds.strangers.grantOf(sha256)
    const { addresses, expiresAtMs } = grant
    return { tokenSha256: sha256, node: runner.life.chassis, addresses, expiresAtMs }
  }

  async fileOf(...[grant, name, reached]: Parameters<NodeDesk['fileOf']>) {
    const runner = this.#runnerOf(grant)
    if (runner === undefined) return GONE
    if (runner.life.grant?.served.includes(name)) return refusal(410, `${name} was served before`)
    return await nodeFile(this.#grounds.means, runner.life, name, reached)
  }

  async spendFile(grant: Grant, file: string): Promise<boolean> {
    const runner = this.#runnerOf(grant)
    if (runner === undefined) return false
    const { tokenSha256: sha256 } = grant
    const posted = await runner.post({ type: 'spent', tokenSha256: sha256, file })
    return posted.kind === 'moved'
  }

  async onEvent(grant: Grant, step: string, message: string | undefined): Promise<Answer> {
    const runner = this.#runnerOf(grant)
    if (runner === undefined) return GONE
    const known = nodeSteps.find((each) => each === step)
    if (known === undefined) return refusal(404, `${step} is no step`)
    if (!runner.life.grant?.steps.includes(known)) {
      return refusal(403, `${step} is no step of this boot`)
    }
    const told = { type: 'told', step: known, ...(message !== undefined && { message }) } as const
    return await this.#posted(() => runner.post(told))
  }

  async onReport(grant: Grant, sent: unknown): Promise<Answer> {
    const parsed = parseDiscoveryReport(JSON.stringify(sent))
    if (!parsed.ok) {
      const told = parsed.error.slice(0, 8).map(({ path, message }) => `${path} ${message}`)
      return refusal(422, `this is no report: ${told.join('; ')}`)
    }
    const report = parsed.value
    if (isStranger(grant.node)) {
      this.#grounds.strangers.report(grant.node, report)
      return { ok: true }
    }
    const runner = this.#runnerOf(grant)
    if (runner === undefined) return GONE
    const { grounds, records } = this.#grounds.means
    const { life } = runner
    const judgement = judgeReport(life, report)
    const verdict = wordOfReport(life, judgement)
    if ('refused' in verdict) return refusal(409, verdict.refused)
    const former = await records.reportOf(life)
    const reportId = (life.reportId ?? 0) + 1
    // A stranger's report is not one of this chassis.
    if ('word' in verdict && verdict.word !== 'fail') {
      await records.keepReport(life.chassis, { id: reportId, atMs: grounds.clock.nowMs(), report })
    }
    const answer = await this.#posted(() => runner.post({ type: 'reported', reportId, judgement }))
    const changes = former === undefined ? [] : compareReports(former, report)
    if (answer.ok && changes.length > 0 && runner.life.reportId === reportId) {
      const words = changes.slice(0, 8).map(changeWords)
      const more = changes.length > words.length ? ` and ${changes.length - words.length} more` : ''
      grounds.tell({
        type: 'chassis.hardware-changed',
        severity: 'warning',
        subject: { kind: 'Chassis', name: life.chassis },
        message: `since its last report: ${words.join('; ')}${more}`,
        context: { from: life.reportId ?? 0, to: reportId },
      })
    }
    return answer
  }

  async ordersOf(...[grant, signal, reached]: Parameters<NodeDesk['ordersOf']>) {
    if (isStranger(grant.node)) return { order: 'power-off' }
    for (;;) {
      const runner = this.#runnerOf(grant)
      if (runner === undefined) return GONE
      const change = new AbortController()
      const stop = AbortSignal.any([signal, change.signal])
      // Looked at before the order is, so that no change between the two is missed.
      const changed = runner.changed(stop)
      try {
        const ordered = await orderOf(this.#grounds.means, runner.life, reached)
        if ('impossible' in ordered) {
          await runner.post({ type: 'told', step: 'failed', message: ordered.impossible })
          return { order: 'wait' }
        }
        if (ordered.order !== 'wait' || signal.aborted) return ordered
        await changed
      } finally {
        change.abort()
      }
    }
  }

  async mayRead(...[address, tree]: Parameters<NodeDesk['mayRead']>) {
    const { clock, media } = this.#grounds.means.grounds
    const reads = [...this.#grounds.runners()].some(({ life: { grant, deployment } }) => {
      const prepared = deployment?.prepared
      if (grant === undefined || prepared === undefined) return false
      if (!grant.addresses.includes(address) || grant.expiresAtMs <= clock.nowMs()) return false
      return prepared.path === 'install'
        ? tree.tree === 'media' && prepared.medium === tree.name
        : tree.tree === 'image' && prepared.image === tree.name
    })
    if (!reads) return refusal(403, `no node at ${address} is being installed from ${tree.name}`)
    const path = media.placeOf(tree)
    return path === undefined
      ? refusal(404, `${tree.tree} ${tree.name} is not here`)
      : ({ ok: true, path } as const)
  }

  #runnerOf({ tokenSha256: sha256, node }: Grant): ChassisRunner | undefined {
    const runner = this.#grounds.runnerOf(node)
    return runner?.life.grant?.tokenSha256 === sha256 ? runner : undefined
  }

  async #posted(
    post: () => Promise<{ readonly kind: string; readonly reason?: string }>,
  ): Promise<Answer> {
    try {
      const posted = await post()
      return posted.kind === 'refused' ? refusal(409, posted.reason ?? 'not now') : { ok: true }
    } catch (thrown) {
      if (!(thrown instanceof PurlinError)) throw thrown
      return refusal(503, thrown.message)
    }
  }

  #grantFor(life: Life, sha256: string, { address }: BootRequest): LifeGrant {
    const purpose = life.boot?.purpose ?? 'discover'
    const nowMs = this.#grounds.means.grounds.clock.nowMs()
    const installed = life.deployment?.prepared?.addresses ?? []
    return {
      tokenSha256: sha256,
      purpose,
      addresses: [...new Set([address, ...installed])],
      steps: STEPS[purpose],
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + TOKEN_MS[purpose],
      served: [],
    }
  }

  #scriptFor(life: Life, token: string, { urls }: BootRequest): BootDecision {
    const prepared = life.deployment?.prepared
    const install = life.boot?.purpose === 'install' && prepared?.path === 'install'
    const serverUrl = install ? urls.http : (urls.https ?? urls.http)
    const reach: BootReach = {
      nodeUrl: nodeUrl(serverUrl, token),
      serverUrl: urls.http,
      bootMac: life.bootMac,
      consoles: this.#grounds.means.grounds.consoles ?? DEFAULT_CONSOLES,
    }
    if (!install) {
      const nowMs = this.#grounds.means.grounds.clock.nowMs()
      return { boot: 'discovery', arguments: discoveryArguments(reach, nowMs) }
    }
    const { kernel, initrds } = prepared
    return { boot: 'installer', kernel, initrds, arguments: installerArguments(prepared, reach) }
  }

  #boardStranger(request: BootRequest): BootDecision {
    const { mac, name, urls } = request
    if (name !== undefined) return { boot: 'refused', reason: `${name} is no chassis any more` }
    const reach: BootReach = {
      nodeUrl: this.#grounds.strangers.meet(request),
      serverUrl: urls.http,
      bootMac: mac,
      consoles: this.#grounds.means.grounds.consoles ?? DEFAULT_CONSOLES,
    }
    const nowMs = this.#grounds.means.grounds.clock.nowMs()
    return { boot: 'discovery', arguments: discoveryArguments(reach, nowMs) }
  }
}

const GONE: Refusal = refusal(410, 'this token was of a boot that is over')
