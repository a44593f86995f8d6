import { readdir, readFile } from 'node:fs/promises'
import type { Clock, Run } from '@purlin/base'
import { filesOf, readText } from './folder.ts'
import { probeService, readQuestions, type ServiceQuestions } from './probe.ts'
import { type ProcessIdentity, readIdentity, signalProcess, stateOf } from './process.ts'
import { serviceFolder } from './service.ts'
import { unreadPorts } from './sockets.ts'

/** Every service is asked about as often, one after the other. */
const PROBE_INTERVAL_MS = 20_000
const PROBE_LIMIT_MS = 3_000
/** Unanswered questions in a row after which a process that runs is taken for hung. */
const TRIES = 2

/** What is remembered of a service between looks. */
interface Remembered {
  probedMs: number
  /** Whether something lay unread in its sockets at the last look. */
  unread: boolean
}

/** Proves by real questions that services live, and ends those that run and do not answer, so that
 *  they are found gone and started again. A service is asked in its turn, and at once when
 *  packets lie unread in its sockets at two looks in a row. */
export class ServiceLife {
  readonly #runFolder: string
  readonly #clock: Clock
  readonly #run: Run
  readonly #services = new Map<string, Remembered>()

  constructor(runFolder: string, clock: Clock, run: Run) {
    this.#runFolder = runFolder
    this.#clock = clock
    this.#run = run
  }

  /** Looks at every service and asks the one whose turn it is; answers in words what was found
   *  hung and ended. */
  async look(signal: AbortSignal): Promise<readonly string[]> {
    const names = await readdir(`${this.#runFolder}/port-groups`).catch((): string[] => [])
    for (const known of this.#services.keys())
      if (!names.includes(known)) this.#services.delete(known)
    const nowMs = this.#clock.monotonicMs()
    let turn: { readonly name: string; readonly probedMs: number } | undefined
    for (const name of names) {
      const remembered = this.#services.get(name) ?? { probedMs: nowMs, unread: false }
      this.#services.set(name, remembered)
      const unread = await this.#hasUnread(name)
      if (unread && remembered.unread) turn = { name, probedMs: Number.NEGATIVE_INFINITY }
      remembered.unread = unread
      const due = nowMs - remembered.probedMs >= PROBE_INTERVAL_MS
      if (due && remembered.probedMs < (turn?.probedMs ?? Number.POSITIVE_INFINITY)) {
        turn = { name, probedMs: remembered.probedMs }
      }
    }
    return turn === undefined ? [] : await this.#prove(turn.name, signal)
  }

  async #prove(name: string, signal: AbortSignal): Promise<readonly string[]> {
    const files = filesOf(serviceFolder(this.#runFolder, name))
    const [holder, dnsmasq] = await Promise.all([
      readIdentity(files.holder),
      readIdentity(files.dnsmasq),
    ])
    let missing: readonly string[] = []
    for (let tries = 0; tries < TRIES; tries++) {
      if (stateOf(dnsmasq) !== 'running' || holder === undefined) return []
      const [first] = await readdir(files.reservations).catch(() => [])
      missing = await probeService(this.#run, holder.processId, await questionsIn(files.dnsmasq), {
        ...(first !== undefined && !first.startsWith('.') && { mac: first }),
        limitMs: PROBE_LIMIT_MS,
        signal,
      }).catch(() => [])
      this.#services.set(name, { probedMs: this.#clock.monotonicMs(), unread: false })
      if (missing.length === 0) return []
    }
    const asked = dnsmasq as ProcessIdentity
    if (!signalProcess(asked, 'SIGKILL')) return []
    return [`dnsmasq of port group ${name} did not answer (${missing.join(', ')}) and was ended`]
  }

  async #hasUnread(name: string): Promise<boolean> {
    const { holder } = filesOf(serviceFolder(this.#runFolder, name))
    const processId = (await readIdentity(holder))?.processId
    if (processId === undefined) return false
    const texts = await Promise.all(
      ['udp', 'udp6'].map((file) => readText(`/proc/${processId}/net/${file}`)),
    )
    return texts.some((text) => unreadPorts(text ?? '').length > 0)
  }
}

async function questionsIn(file: string): Promise<ServiceQuestions> {
  try {
    return readQuestions(JSON.parse(await readFile(file, 'utf8')).questions)
  } catch {
    return {}
  }
}
