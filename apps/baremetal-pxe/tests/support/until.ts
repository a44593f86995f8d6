import { systemClock } from '@purlin/base'

/** Waits for a condition, however slow the machine is; what never comes about is an error. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 120_000,
): Promise<void> {
  const untilMs = systemClock.monotonicMs() + deadlineMs
  while (!(await holds())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not so in time`)
    await systemClock.sleep(100)
  }
}
