import { readFile } from 'node:fs/promises'
import type { Clock } from '@purlin/base'
import { isActive, type PowerState } from './power-state.ts'
import { readRuns, type StoredRun, writeRuns } from './runs-file.ts'

/** Whether a machine that went off by itself is started again. */
export type RestartPolicy = 'never' | 'onCrash' | 'always'

/** Why a machine went off that nobody stopped: its guest powered off, it crashed (its process was
 *  killed, too), or the host did. */
export type RunEnd = 'by-guest' | 'by-crash' | 'by-boot'

/** How the last run of a machine ended. */
export interface EndedRun {
  /** Newest generation of the resource under which it ran. */
  readonly generation: number
  readonly ended: RunEnd
  /** Starts within ten minutes before the end. */
  readonly starts: number
  /** When it may be started again; 0 and less: now. */
  readonly dueInMs: number
}

/** What of a machine counts here. */
export interface RunSight {
  readonly name: string
  readonly uuid: string
  readonly state: PowerState
  /** virDomainShutoffReason of one that is off. */
  readonly reason: number
}

/** More starts within this time are too many. */
export const RESTARTS_MAX = 5
const WINDOW_MS = 600_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** virDomainShutoffReason: the guest powered off. */
const SHUTOFF_SHUTDOWN = 1

export interface RunsOptions {
  readonly clock: Clock
  /** Where runs are kept for the next agent; absent: in memory alone. */
  readonly file?: string | undefined
  /** Generation of the resource that is wanted now; a run that goes on under a newer one is a run
   *  of that. Absent: of what it was started for. */
  readonly generationOf?: ((uuid: string) => number | undefined) | undefined
  /** Identity of this boot of the host. Default: the kernel's. */
  readonly bootId?: () => Promise<string>
}

interface Watcher {
  readonly onChange: (reason: string) => void
  readonly signal: AbortSignal
}

/** Remembers which machines were started on this host and how each run ended, through restarts of
 *  the agent, of libvirtd and of the host, so that a policy of restarts holds through all of
 *  them. */
export class MachineRuns {
  readonly #options: RunsOptions
  readonly #watchers = new Set<Watcher>()
  /** Ends whose pause a watcher is told of. */
  readonly #armed = new Set<string>()
  #runs: Map<string, StoredRun> | undefined
  #bootId = ''

  constructor(options: RunsOptions) {
    this.#options = options
  }

  /** The machine was started for that generation. */
  async began(uuid: string, generation: number): Promise<void> {
    const runs = await this.#open()
    const before = runs.get(uuid)
    const nowMs = this.#options.clock.nowMs()
    const goesOn = before?.generation === generation && before.ended !== 'by-boot'
    const startsMs = [...(goesOn ? recent(before.startsMs, nowMs) : []), nowMs]
    runs.set(uuid, { generation, bootId: this.#bootId, active: true, startsMs })
    await this.#keep()
  }

  /** Takes a look at all machines in; answers the ended runs by the machines' ids. */
  async see(machines: readonly RunSight[]): Promise<ReadonlyMap<string, EndedRun>> {
    const runs = await this.#open()
    const present = new Set(machines.map(({ uuid }) => uuid))
    let changed = false
    for (const uuid of [...runs.keys()]) {
      if (!present.has(uuid)) changed = runs.delete(uuid) || changed
    }
    for (const machine of machines) {
      const run = runs.get(machine.uuid)
      const next = run && this.#seen(run, machine)
      if (next === undefined) continue
      runs.set(machine.uuid, next)
      changed ||= next !== run
      this.#arm(machine, next)
    }
    if (changed) await this.#keep()
    return new Map([...runs].flatMap(([uuid, run]) => this.#ended(uuid, run)))
  }

  /** Forgets how the machine's last run ended, since somebody wants it started. */
  async forget(uuid: string): Promise<void> {
    if (!(await this.#open()).delete(uuid)) return
    this.#armed.clear()
    await this.#keep()
    for (const { onChange } of this.#watchers) onChange('a machine is to be started anew')
  }

  /** Calls `onChange` when the pause before a restart is over, and when a run is forgotten, until
   *  the signal is aborted. */
  watch(onChange: (reason: string) => void, signal: AbortSignal): void {
    const watcher = { onChange, signal }
    this.#armed.clear()
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true })
  }

  #seen(run: StoredRun, { uuid, state, reason }: RunSight): StoredRun {
    if (isActive(state)) {
      const wanted = this.#options.generationOf?.(uuid) ?? run.generation
      if (run.active) return wanted > run.generation ? { ...run, generation: wanted } : run
      const { ended: _ended, endedAtMs: _at, ...rest } = run
      return { ...rest, active: true, bootId: this.#bootId }
    }
    if (!run.active) return run
    // Saved memory is no end: the run goes on with it.
    if (state === 'suspended') return run
    const byGuest = reason === SHUTOFF_SHUTDOWN ? 'by-guest' : 'by-crash'
    const ended = run.bootId === this.#bootId ? byGuest : 'by-boot'
    return { ...run, active: false, ended, endedAtMs: this.#options.clock.nowMs() }
  }

  #ended(uuid: string, run: StoredRun): readonly (readonly [string, EndedRun])[] {
    const { generation, ended } = run
    if (ended === undefined) return []
    const starts = recent(run.startsMs, run.endedAtMs ?? 0).length
    return [[uuid, { generation, ended, starts, dueInMs: this.#dueInMs(run) }]]
  }

  /** The first restart comes at once; each further one waits twice as long. */
  #dueInMs({ startsMs, endedAtMs = 0, ended }: StoredRun): number {
    const starts = recent(startsMs, endedAtMs).length
    if (starts <= 1 || ended === 'by-boot') return 0
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (starts - 2))
    // A clock that was put back must not hold it for longer than the pause.
    return Math.min(pauseMs, endedAtMs + pauseMs - this.#options.clock.nowMs())
  }

  /** Has the watchers told once when the pause after that end is over. */
  #arm({ name, uuid }: RunSight, run: StoredRun): void {
    const key = `${uuid} ${run.endedAtMs}`
    const dueInMs = this.#dueInMs(run)
    if (run.ended === undefined || dueInMs <= 0 || this.#armed.has(key)) return
    this.#armed.add(key)
    this.#tellLater(name, dueInMs)
  }

  #tellLater(machine: string, afterMs: number): void {
    for (const { onChange, signal } of this.#watchers) {
      this.#options.clock.sleep(afterMs, signal).then(
        () => onChange(`machine ${machine} may be started again`),
        () => undefined,
      )
    }
  }

  async #open(): Promise<Map<string, StoredRun>> {
    if (this.#runs !== undefined) return this.#runs
    const { file, bootId = kernelBootId } = this.#options
    this.#bootId = await bootId()
    this.#runs = file === undefined ? new Map() : await readRuns(file)
    return this.#runs
  }

  async #keep(): Promise<void> {
    const { file } = this.#options
    if (file !== undefined && this.#runs !== undefined) await writeRuns(file, this.#runs)
  }
}

function recent(startsMs: readonly number[], untilMs: number): readonly number[] {
  return startsMs.filter((atMs) => atMs > untilMs - WINDOW_MS).slice(-RESTARTS_MAX - 1)
}

/** Identity of this boot of the host, by its kernel. */
export async function kernelBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
