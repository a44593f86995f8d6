import { toPurlinError, withDeadline } from '@purlin/base'
import type { Finding } from '@purlin/schema'
import type { HostReader } from '../host-reader.ts'
import type { AnyCheck, DoctorKnowledge } from './check.ts'
import { clock } from './clock.ts'
import { diskSpace } from './disk-space.ts'
import { ioUring } from './io-uring.ts'
import { iommu } from './iommu.ts'
import { kernelModules } from './kernel-modules.ts'
import { otherFirewalls } from './other-firewalls.ts'
import { privileges } from './privileges.ts'
import { programs } from './programs.ts'
import { stuckCalls } from './stuck-calls.ts'
import { takenNames } from './taken-names.ts'
import { virtualization } from './virtualization.ts'

const CHECK_DEADLINE_MS = 5_000

/** Every check, in the order in which people read them. */
const CHECKS: readonly AnyCheck[] = [
  privileges,
  programs,
  virtualization,
  iommu,
  kernelModules,
  ioUring,
  clock,
  otherFirewalls,
  takenNames,
  diskSpace,
  stuckCalls,
]

export interface ExamineOptions extends HostReader, DoctorKnowledge {
  /** Of each check; 5,000 if absent. */
  readonly checkDeadlineMs?: number
}

/** What the host has, lacks, and what stands in the way: `examineHost({ ...systemHostReader, lanes
 *  })`. All checks run at once, each with its own deadline. A check that cannot be made is a
 *  finding with status `unknown`; nothing is thrown and nothing on the host is changed. */
export async function examineHost(options: ExamineOptions): Promise<readonly Finding[]> {
  const deadlineMs = options.checkDeadlineMs ?? CHECK_DEADLINE_MS
  const findings = await Promise.all(CHECKS.map((check) => examine(check, options, deadlineMs)))
  return findings.flat()
}

async function examine(
  check: AnyCheck,
  options: ExamineOptions,
  deadlineMs: number,
): Promise<readonly Finding[]> {
  try {
    const reading = await withDeadline(check.name, deadlineMs, (signal) =>
      check.read(options, options, signal),
    )
    if (reading === undefined) return []
    return check.judge(reading).map((opinion) => ({ check: check.name, ...opinion }))
  } catch (thrown) {
    const { message } = toPurlinError(thrown)
    return [{ check: check.name, status: 'unknown', found: `could not be checked: ${message}` }]
  }
}
