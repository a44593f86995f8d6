import { PurlinError, type Run } from '@purlin/base'
import type { Accelerator } from './domain/domain-spec.ts'

export interface AcceleratorProbe {
  readonly run: Run
  /** File of a Linux kernel that logs to its first serial port; it needs neither initrd nor
   *  disk. */
  readonly kernel: string
  /** Default `/usr/bin/qemu-system-x86_64`. */
  readonly qemu?: string
  /** What is tried. Default `kvm`. */
  readonly accelerator?: Accelerator
  /** Default 3000: under KVM a kernel is up and gone in a second. */
  readonly limitMs?: number
}

export interface AcceleratorFinding {
  readonly kind: Accelerator
  /** Why this one: what was seen, for people. */
  readonly reason: string
}

/** What every Linux kernel says first. */
const FIRST_WORDS = 'Linux version'
const REASON_CHARACTERS = 200

/** Whether KVM runs guests here, found by booting a kernel. /dev/kvm alone means nothing: there are
 *  hosts where it opens and QEMU aborts, or where firmware runs under it and a kernel stands still.
 *  The kernel has no root file system, so it panics, and is told to reboot then, which ends
 *  QEMU. */
export async function probeAccelerator(probe: AcceleratorProbe): Promise<AcceleratorFinding> {
  const { accelerator = 'kvm', limitMs = 3_000 } = probe
  try {
    const { stdout } = await probe.run(
      probe.qemu ?? '/usr/bin/qemu-system-x86_64',
      [
        ...['-accel', accelerator, '-machine', 'q35'],
        ...['-cpu', accelerator === 'kvm' ? 'host' : 'max', '-m', '128'],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
        ...['-serial', 'stdio', '-kernel', probe.kernel],
        ...['-append', 'console=ttyS0 panic=-1 mitigations=off nokaslr random.trust_cpu=on'],
      ],
      { timeoutMs: limitMs },
    )
    if (stdout.includes(FIRST_WORDS)) {
      return { kind: accelerator, reason: `a kernel booted with ${accelerator}` }
    }
    return { kind: 'tcg', reason: `QEMU ended with ${accelerator} before the kernel spoke` }
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    return { kind: 'tcg', reason: reasonOf(thrown, accelerator, limitMs) }
  }
}

function reasonOf(error: PurlinError, accelerator: Accelerator, limitMs: number): string {
  if (error.code === 'PUR_EXEC_TIMEOUT') {
    return `a kernel did not boot within ${limitMs} ms with ${accelerator}`
  }
  if (error.code === 'PUR_EXEC_NOT_FOUND') return error.message
  // The command line stands before the ending; what QEMU itself said stands last.
  const ending = error.message.slice(error.message.lastIndexOf(': ended with') + 2)
  return `QEMU ${ending}`.replaceAll(/\s+/g, ' ').slice(0, REASON_CHARACTERS)
}
