import { run, systemClock } from '@purlin/base'
import {
  createNetfilterDriver,
  type NetfilterDesired,
  type NetfilterDriver,
  type NetfilterDriverOptions,
} from '../../src/index.ts'

const calm = new AbortController().signal

/** A driver on the present namespace's kernel. */
export function newDriver(options: Partial<NetfilterDriverOptions> = {}): NetfilterDriver {
  return createNetfilterDriver({ run, clock: systemClock, ...options })
}

/** Observes, plans and executes once; gives the summaries of what was done. */
export async function enforce(
  driver: NetfilterDriver,
  desired: NetfilterDesired,
): Promise<readonly string[]> {
  const steps = driver.plan(desired, await driver.observe(calm))
  for (const step of steps) await driver.execute(step, calm)
  return steps.map((step) => step.summary)
}

/** What would be done now. */
export async function planned(
  driver: NetfilterDriver,
  desired: NetfilterDesired,
): Promise<readonly string[]> {
  return driver.plan(desired, await driver.observe(calm)).map((step) => step.summary)
}
