import { PurlinError, toPurlinError } from '@purlin/base'
import type { ConsoleEvent } from '@purlin/bmc'
import type { ChassisTransition, ReportChanges, ReportSummary, StoredReport } from '@purlin/schema'
import type { CommandMeans } from './carry-out.ts'
import { ChassisRunner } from './chassis-runner.ts'
import { ConsoleKeeper } from './console-keeper.ts'
import { type Deadlines, defaultDeadlines } from './deadlines.ts'
import { LifeDesk } from './desk.ts'
import type { LifeRequest } from './event.ts'
import { type Life, newLife } from './life.ts'
import type { LifeGrounds } from './ports.ts'
import { PowerPoll, type PowerReading } from './power-poll.ts'
import { LifeRecords } from './records.ts'
import { compareReports, summaryOf } from './reports.ts'
import { step } from './step.ts'
import { type Stranger, Strangers } from './strangers.ts'

const POWER_POLL_MS = 60_000
/** Under this code people are told that a BMC answers polls no more, whatever the cause. */
const AWAY = 'PUR_BMC_UNREACHABLE'

/** A chassis as its resource says. */
export interface EnrolledChassis {
  readonly name: string
  readonly uid: string
  readonly bootMac: string
  readonly firmware: 'bios' | 'uefi'
  /** Its resource says `identity.trustMac`. */
  readonly trustsMac?: boolean
}

/** Leads every chassis through its life. */
export class Conductor {
  readonly #grounds: LifeGrounds
  readonly #records: LifeRecords
  readonly #consoles: ConsoleKeeper
  readonly #deadlines: Deadlines
  readonly #strangers: Strangers
  readonly #poll: PowerPoll
  readonly #runners = new Map<string, ChassisRunner>()
  /** Enrolments and removals of one name come one after the other. */
  #enrolling: Promise<unknown> = Promise.resolve()
  /** Answers what nodes ask; metrics are not its matter. */
  readonly desk: LifeDesk

  constructor(grounds: LifeGrounds) {
    this.#grounds = grounds
    this.#records = new LifeRecords(grounds.store)
    this.#consoles = new ConsoleKeeper(grounds.consoleFolder, grounds.onTrouble)
    this.#deadlines = { ...defaultDeadlines, ...grounds.deadlines }
    this.#strangers = new Strangers(grounds.clock)
    this.#poll = new PowerPoll({
      clock: grounds.clock,
      everyMs: grounds.powerPollMs ?? POWER_POLL_MS,
      chassis: () => [...this.#runners.keys()],
      bmcOf: (chassis) => grounds.bmcOf(chassis),
      onSeen: (chassis, power) => this.#seen(chassis, power),
      onAway: (name, thrown) => {
        const { code, message } = toPurlinError(thrown)
        const subject = { kind: 'Chassis', name }
        grounds.raise({ code: AWAY, severity: 'warning', subject, message: `${code}: ${message}` })
      },
      onBack: (name) => {
        // A life that failed by it stays failed.
        if (this.lifeOf(name)?.failure?.code === AWAY) return
        grounds.clear({ kind: 'Chassis', name }, AWAY)
      },
    })
    const lives = (): readonly ChassisRunner[] => [...this.#runners.values()]
    this.desk = new LifeDesk({
      means: this.#means({}),
      strangers: this.#strangers,
      runnerOf: (name) => this.#runners.get(name),
      runnerOfMac: (mac) => lives().find(({ life }) => life.bootMac === mac.toLowerCase()),
      runnerOfToken: (sha256) => lives().find(({ life }) => life.grant?.tokenSha256 === sha256),
      runners: lives,
    })
  }

  /** Reads every life and goes on where it was. */
  async open(): Promise<void> {
    for (const { life, revision } of await this.#records.lives()) this.#add(life, revision).resume()
    this.#poll.start()
  }

  /** Begins the life of a chassis and asks its BMC who it is, or keeps the life it has with the
   *  boot MAC and firmware of now (at rest; what is under way goes on with those it began with). A
   *  chassis of another uid is another machine: its life begins anew. Errors: PUR_STORE_*. */
  async enrol(chassis: EnrolledChassis): Promise<void> {
    await this.#inTurn(async () => {
      const runner = this.#runners.get(chassis.name)
      if (runner !== undefined && runner.life.chassisUid !== chassis.uid) {
        await this.#remove(chassis.name)
      } else if (runner !== undefined) {
        const { firmware, trustsMac = false } = chassis
        const bootMac = chassis.bootMac.toLowerCase()
        await runner.post({ type: 'amended', bootMac, firmware, trustsMac })
        return
      }
      const nowMs = this.#grounds.clock.nowMs()
      const begun = newLife(chassis, nowMs)
      const verify = { type: 'asked', request: { ask: 'verify' } } as const
      const first = step(begun, verify, nowMs, this.#deadlines)
      const [life, transitions] =
        first.kind === 'moved' ? [first.life, first.transitions] : [begun, []]
      const revision = await this.#records.write(life, 0, transitions)
      this.#add(life, revision).begin()
    })
  }

  /** Ends the life of a chassis whose resource is gone. What runs on it is left as it is. */
  async forget(name: string): Promise<void> {
    await this.#inTurn(() => this.#remove(name))
  }

  /** Asks something of a chassis; answers when it is written down. What was asked before is no
   *  fault. Errors: PUR_RESOURCE_MISSING, PUR_LIFE_REFUSED, PUR_STORE_*. */
  async request(name: string, request: LifeRequest): Promise<Life> {
    const posted = await this.#runner(name).post({ type: 'asked', request })
    if (posted.kind !== 'refused') return posted.life
    const message = `${request.ask} of chassis ${name}: ${posted.reason}`
    throw new PurlinError('PUR_LIFE_REFUSED', {
      message,
      context: { chassis: name, state: posted.life.state },
    })
  }

  lifeOf(name: string): Life | undefined {
    return this.#runners.get(name)?.life
  }

  lives(): readonly Life[] {
    return [...this.#runners.values()].map(({ life }) => life)
  }

  /** What the last look at its power gave. */
  powerOf(name: string): PowerReading | undefined {
    return this.#poll.reading(name)
  }

  /** Nodes that no chassis names, seen in an enrol window of the network. */
  strangers(network: string): readonly Stranger[] {
    return this.#strangers.list(network)
  }

  /** Oldest first, each with what the console said last. */
  async historyOf(name: string, limit = 200): Promise<readonly ChassisTransition[]> {
    return await this.#records.history(name, limit)
  }

  /** Newest first. */
  async reportsOf(name: string): Promise<readonly ReportSummary[]> {
    const stored = await this.#records.reports(name)
    return stored.map(({ id, atMs, report }) => summaryOf(id, atMs, report)).toReversed()
  }

  /** Errors: PUR_RESOURCE_MISSING. */
  async reportOf(name: string, id: number | 'latest'): Promise<StoredReport> {
    const number = id === 'latest' ? this.#runner(name).life.reportId : id
    const report = number === undefined ? undefined : await this.#records.report(name, number)
    if (report !== undefined) return report
    const message = `report ${id} of chassis ${name}: there is none; sixteen are kept`
    throw new PurlinError('PUR_RESOURCE_MISSING', { message })
  }

  /** What differs between two reports; the newest and the one before where none is named. Errors:
   *  PUR_RESOURCE_MISSING. */
  async reportChanges(name: string, from?: number, to?: number): Promise<ReportChanges> {
    const later = await this.reportOf(name, to ?? 'latest')
    const earlier = await this.reportOf(name, from ?? later.id - 1)
    return {
      from: earlier.id,
      to: later.id,
      changes: [...compareReports(earlier.report, later.report)],
    }
  }

  /** The console: what it said before, then what it says. Errors: PUR_BMC_UNSUPPORTED. */
  async *console(
    name: string,
    options: { readonly tailBytes: number; readonly follow: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<ConsoleEvent, void, void> {
    const bmc = await this.#grounds.bmcOf(name)
    const nowMs = this.#grounds.clock.nowMs()
    yield* this.#consoles.follow(name, bmc, { ...options, nowMs }, signal)
  }

  /** Stops where everything is; the records go on at the next start. */
  async stop(): Promise<void> {
    await Promise.all([
      this.#poll.stop(),
      ...[...this.#runners.values()].map((each) => each.stop()),
    ])
    await this.#consoles.close()
  }

  #means(holder: object): CommandMeans {
    return { grounds: this.#grounds, records: this.#records, consoles: this.#consoles, holder }
  }

  #add(life: Life, revision: number): ChassisRunner {
    const runner = new ChassisRunner(this.#means({}), this.#deadlines, life, revision)
    this.#runners.set(life.chassis, runner)
    return runner
  }

  async #remove(name: string): Promise<void> {
    const runner = this.#runners.get(name)
    if (runner === undefined) return
    this.#runners.delete(name)
    await runner.stop()
    const { failure } = runner.life
    const subject = { kind: 'Chassis', name }
    this.#grounds.clear(subject, AWAY)
    if (failure !== undefined) this.#grounds.clear(subject, failure.code ?? 'PUR_INTERNAL')
    await this.#records.remove(name)
  }

  #runner(name: string): ChassisRunner {
    const runner = this.#runners.get(name)
    if (runner !== undefined) return runner
    const message = `chassis ${name}: it is not enrolled here`
    throw new PurlinError('PUR_RESOURCE_MISSING', { message, context: { name } })
  }

  #seen(chassis: string, power: 'on' | 'off'): void {
    const runner = this.#runners.get(chassis)
    if (runner === undefined || runner.life.power === power) return
    runner
      .post({ type: 'power-seen', power })
      .catch((thrown) => this.#grounds.onTrouble(chassis, thrown))
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#enrolling.then(work)
    this.#enrolling = turn.catch(() => {})
    return turn
  }
}

/** Reads every life and goes on where it was. Errors: PUR_STORE_*. */
export async function startConductor(grounds: LifeGrounds): Promise<Conductor> {
  const conductor = new Conductor(grounds)
  await conductor.open()
  return conductor
}
