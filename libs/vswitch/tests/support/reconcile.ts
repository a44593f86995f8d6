import type { VswitchDesired, VswitchDriver, VswitchStep } from '../../src/index.ts'

const DEADLINE_MS = 30_000

/** One round of the loop: observe, plan, execute everything planned. Returns the steps. */
export async function reconcileOnce(
  driver: VswitchDriver,
  desired: VswitchDesired,
): Promise<readonly VswitchStep[]> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const steps = driver.plan(desired, await driver.observe(signal))
  for (const step of steps) await driver.execute(step, signal)
  return steps
}

/** What is planned now, not executed. */
export async function planNow(
  driver: VswitchDriver,
  desired: VswitchDesired,
): Promise<readonly string[]> {
  const observed = await driver.observe(AbortSignal.timeout(DEADLINE_MS))
  return driver.plan(desired, observed).map((step) => step.summary)
}

/** The facts published now. */
export async function factsNow(driver: VswitchDriver): Promise<readonly string[]> {
  return [...driver.facts(await driver.observe(AbortSignal.timeout(DEADLINE_MS)))].sort()
}
