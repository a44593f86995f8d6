import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, PurlinError, run, systemClock } from '@purlin/base'
import { makeDeploymentNetwork } from '../deployment-network.ts'
import type { ChassisOptions } from '../options.ts'
import { SimulatedChassis } from '../simulated-chassis.ts'
import { type DaemonOptions, DaemonProcess } from './daemon-process.ts'

const POLL_MS = 250
const COMMAND_TIMEOUT_MS = 10_000
/** Kernel names of network devices have 15 characters. */
const TAP_PREFIX = 'card'

/** What the rehearsal sees of a life; the daemon tells more. */
export interface LifeView {
  readonly state: string
  readonly step?: string | undefined
  readonly failure?:
    | { readonly cause: string; readonly consoleTail?: string | undefined }
    | undefined
}

/** How the rehearsal speaks to its private daemon; whoever has a client makes it of that. */
export interface RehearsalClient {
  /** Applies what is rehearsed and uploads its files; the daemon then works on its own. */
  readonly apply: (signal: AbortSignal) => Promise<void>
  readonly life: (signal: AbortSignal) => Promise<LifeView>
  readonly close: () => Promise<void>
}

export interface RehearsalOptions {
  /** A folder of the rehearsal's own. */
  readonly folder: string
  readonly daemon: Omit<DaemonOptions, 'folder'>
  readonly network: { readonly bridge: string; readonly address: string }
  readonly chassis: Omit<ChassisOptions, 'folder' | 'nics'>
  /** Addresses of its network cards, the boot card first. */
  readonly macs: readonly string[]
  readonly connect: (socketPath: string) => Promise<RehearsalClient>
  /** Where the rehearsal ends: `active` for an installation, `available` for a discovery. */
  readonly until: 'active' | 'available'
  readonly deadlineMs: number
  readonly onStep: (step: RehearsedStep) => void
  readonly signal: AbortSignal
  readonly clock?: Clock
}

/** A state that the life came to, and when since the chassis was first switched on. */
export interface RehearsedStep {
  readonly state: string
  readonly step?: string
  readonly atMs: number
}

export interface RehearsalResult {
  readonly steps: readonly RehearsedStep[]
  readonly totalMs: number
}

/** Carries a manifest out on a simulated chassis: a private daemon, a private network, a machine
 *  behind a BMC. Must run in a network namespace of its own. Errors: PUR_REHEARSAL_FAILED with the
 *  step, its reason and the end of the console in its context, PUR_CHASSIS_NOT_UP,
 *  PUR_CANCELLED. */
export async function rehearse(options: RehearsalOptions): Promise<RehearsalResult> {
  const { folder, network, macs, signal } = options
  const clock = options.clock ?? systemClock
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const taps = macs.map((_, index) => `${TAP_PREFIX}${index}`)
  await makeDeploymentNetwork({ ...network, taps })
  await addBmcAddress(options.chassis.bmcAddress)
  const chassis = await SimulatedChassis.start({
    ...options.chassis,
    folder: join(folder, 'chassis'),
    nics: macs.map((mac, index) => ({ mac, tap: `${TAP_PREFIX}${index}` })),
  })
  try {
    const daemon = await DaemonProcess.start({ ...options.daemon, folder: join(folder, 'daemon') })
    try {
      const client = await options.connect(daemon.socketPath)
      try {
        await client.apply(signal)
        return await follow(options, client, chassis, clock)
      } finally {
        await client.close()
      }
    } finally {
      await daemon.stop()
    }
  } finally {
    await writeFile(join(folder, 'events.json'), JSON.stringify(chassis.events, null, 2))
    await chassis.close()
  }
}

/** A manifest says where the BMC is; its address is made here, on the loopback device. */
async function addBmcAddress(address: string): Promise<void> {
  if (address.startsWith('127.')) return
  const words = ['address', 'replace', `${address}/32`, 'dev', 'lo']
  await run('ip', words, { timeoutMs: COMMAND_TIMEOUT_MS })
}

async function follow(
  { until, deadlineMs, onStep, signal }: RehearsalOptions,
  client: RehearsalClient,
  chassis: SimulatedChassis,
  clock: Clock,
): Promise<RehearsalResult> {
  const startMs = clock.monotonicMs()
  const steps: RehearsedStep[] = []
  for (;;) {
    signal.throwIfAborted()
    const life = await client.life(signal)
    const atMs = Math.round(clock.monotonicMs() - startMs)
    const last = steps.at(-1)
    if (last?.state !== life.state || last.step !== life.step) {
      const step = { state: life.state, ...(life.step !== undefined && { step: life.step }), atMs }
      steps.push(step)
      onStep(step)
    }
    if (life.state === until) return { steps, totalMs: atMs }
    if (life.state === 'failed') throw failure(life.failure?.cause ?? 'no reason told', last, life)
    if (atMs > deadlineMs) {
      throw failure(`not there after ${Math.round(deadlineMs / 1000)} s`, steps.at(-1), {
        ...life,
        failure: { cause: '', consoleTail: chassis.consoleTail },
      })
    }
    await clock.sleep(POLL_MS, signal)
  }
}

function failure(reason: string, last: RehearsedStep | undefined, life: LifeView): PurlinError {
  const where = last === undefined ? 'before its first step' : `at ${last.state}`
  return new PurlinError('PUR_REHEARSAL_FAILED', {
    message: `the rehearsal failed ${where}: ${reason}`,
    context: { step: last?.state ?? '', consoleTail: life.failure?.consoleTail ?? '' },
  })
}
