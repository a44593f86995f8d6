import { doctorCheck, type Opinion } from './check.ts'

export interface IoUringReading {
  readonly release: string
  /** kernel.io_uring_disabled: 0 free, 1 for the privileged, 2 for nobody; absent before Linux
   *  6.6. */
  readonly disabled: string | undefined
}

/** Linux 5.11: io_uring no longer charges its buffers to the locked-memory limit. */
const OLDEST = [5, 11] as const

/** Whether the block engine's way to the disks is open. */
export const ioUring = doctorCheck<IoUringReading>({
  name: 'io_uring',
  read: async (host) => ({
    release: ((await host.readFile('/proc/sys/kernel/osrelease')) ?? '').trim(),
    disabled: (await host.readFile('/proc/sys/kernel/io_uring_disabled'))?.trim(),
  }),
  judge: (reading) => [judgeIoUring(reading)],
})

/** Pure. Source: kernel documentation, admin-guide/sysctl/kernel, io_uring_disabled. */
export function judgeIoUring({ release, disabled }: IoUringReading): Opinion {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? []
  if (major === undefined || minor === undefined) {
    return { status: 'unknown', found: `kernel release "${release}" cannot be read` }
  }
  const old = Number(major) - OLDEST[0] || Number(minor) - OLDEST[1]
  if (old < 0) {
    return {
      status: 'notice',
      found: `kernel ${release} is older than ${OLDEST.join('.')}; volumes of this host will not work`,
      advice: 'Install a newer kernel before making storage pools here.',
    }
  }
  if (disabled === '2') {
    return {
      status: 'notice',
      found: 'kernel.io_uring_disabled is 2, off for everybody; volumes of this host will not work',
      advice: 'Set kernel.io_uring_disabled to 1 (for the privileged) with sysctl.',
    }
  }
  const who = disabled === '1' ? ', for privileged programs' : ''
  return { status: 'ok', found: `kernel ${release}, io_uring is on${who}` }
}
