import { type LaneStep, PurlinError, type Run } from '@purlin/base'
import { inNamespace, linkFailed } from '../links/batch.ts'
import { type KernelSettings, otherSettings } from './kernel-settings.ts'

const SYSCTL_DEADLINE_MS = 5_000
const STEP_DEADLINE_MS = 15_000

/** Kernel settings inside a namespace that somebody has changed. */
export interface KernelDrift {
  /** `router edge`. */
  readonly place: string
  readonly processId: number
  /** What shall hold again, at least one. */
  readonly settings: KernelSettings
}

/** Sets what shall hold inside a namespace again. */
export type KernelStep = LaneStep & { readonly kind: 'set-kernel' } & KernelDrift

/** A step for each namespace whose settings were changed. Pure. */
export function kernelSteps(drifts: readonly KernelDrift[]): readonly KernelStep[] {
  return drifts.map((drift) => {
    const [first = '', ...others] = drift.settings
    const more = others.length === 0 ? '' : ` and ${others.length} more`
    const summary = `set ${first}${more} again inside ${drift.place}`
    const deadlineMs = STEP_DEADLINE_MS
    return { kind: 'set-kernel', summary, requires: [], forbids: [], deadlineMs, ...drift }
  })
}

/** Which of the settings have other values in the network namespace of a process. Errors: those of
 *  `run`. */
export async function readOtherSettings(
  run: Run,
  processId: number,
  wanted: KernelSettings,
  signal: AbortSignal,
): Promise<KernelSettings> {
  const names = wanted.map((setting) => setting.slice(0, setting.indexOf('=')))
  const [program = '', ...args] = inNamespace(processId, ['sysctl', '-e', ...names])
  const options = { timeoutMs: SYSCTL_DEADLINE_MS, signal, acceptedExitCodes: [1, 255] }
  return otherSettings(wanted, (await run(program, args, options)).stdout)
}

/** Sets the settings in the network namespace of a process and reads them back. Errors:
 *  PUR_LINK_FAILED. */
export async function setKernel(
  run: Run,
  { place, processId, settings }: KernelDrift,
  signal: AbortSignal,
): Promise<void> {
  const what = `set the kernel inside ${place}`
  const words = inNamespace(processId, ['sysctl', '-e', '-q', '-w', ...settings])
  const [program = '', ...args] = words
  try {
    await run(program, args, { timeoutMs: SYSCTL_DEADLINE_MS, signal })
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
  const left = await readOtherSettings(run, processId, settings, signal)
  if (left.length === 0) return
  throw new PurlinError('PUR_LINK_FAILED', {
    message: `${what}: done, but read back without ${left.join(', ')}; something else sets it`,
  })
}
