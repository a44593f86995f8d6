import { systemClock } from '@purlin/base'
import {
  createNetfilterDriver,
  type NetfilterDriver,
  type NetfilterDriverOptions,
} from '../../src/driver.ts'
import type { NetfilterDesired } from '../../src/policy/desired.ts'

const calm = new AbortController().signal

/** A driver on the present namespace's kernel. */
export function newDriver(options: Partial<NetfilterDriverOptions> = {}): NetfilterDriver {
  return createNetfilterDriver({ clock: systemClock, ...options })
}

const ROUNDS_MAX = 4

/** Observes, plans and executes until nothing is left to do; gives the summaries of what was done,
 *  but for the writing of the file for the next boot. */
export async function enforce(
  driver: NetfilterDriver,
  desired: NetfilterDesired,
): Promise<readonly string[]> {
  const done: string[] = []
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const steps = driver.plan(desired, await driver.observe(calm))
    if (steps.length === 0) return done
    for (const step of steps) {
      await driver.execute(step, calm)
      if (step.verb !== 'settle') done.push(step.summary)
    }
  }
  throw new Error(`not done after ${ROUNDS_MAX} rounds: ${done.join('; ')}`)
}

/** What would be done now. */
export async function planned(
  driver: NetfilterDriver,
  desired: NetfilterDesired,
): Promise<readonly string[]> {
  return driver.plan(desired, await driver.observe(calm)).map((step) => step.summary)
}
