import { PurlinError } from '@purlin/base'
import { doctorCheck, type Opinion } from './check.ts'

export interface ClockReading {
  /** The file systemd-timesyncd keeps while the clock is in step. */
  readonly timesync: 'synchronized' | 'running' | 'absent'
  /** Answer of `chronyc -c tracking`; undefined where chrony does not answer. */
  readonly chrony: string | undefined
}

/** Whether the clock is kept in step. Read without D-Bus: the files of systemd-timesyncd, then
 *  chrony; the kernel itself tells its state only by a system call that no usual program makes. */
export const clock = doctorCheck<ClockReading>({
  name: 'clock',
  read: async (host, _knowledge, signal) => {
    const files = await host.listFolder('/run/systemd/timesync')
    if (files !== undefined) {
      const synchronized = files.includes('synchronized')
      return { timesync: synchronized ? 'synchronized' : 'running', chrony: undefined }
    }
    try {
      const answer = await host.run('chronyc', ['-c', 'tracking'], { timeoutMs: 2_000, signal })
      return { timesync: 'absent', chrony: answer.stdout }
    } catch (thrown) {
      // Not installed or not running: then nobody there can be asked.
      if (thrown instanceof PurlinError) return { timesync: 'absent', chrony: undefined }
      throw thrown
    }
  },
  judge: (reading) => [judgeClock(reading)],
})

const ADVICE = 'Run systemd-timesyncd or chrony with a time server that this host reaches.'

/** Pure. Source: systemd-timesyncd(8), chronyc(1): fields of the tracking report. */
export function judgeClock({ timesync, chrony }: ClockReading): Opinion {
  if (timesync === 'synchronized') {
    return { status: 'ok', found: 'systemd-timesyncd keeps the clock in step' }
  }
  if (timesync === 'running') {
    return { status: 'notice', found: 'systemd-timesyncd runs, not in step', advice: ADVICE }
  }
  const fields = chrony?.trim().split(',') ?? []
  const offsetSeconds = Number(fields[4])
  const leap = fields.at(-1)
  if (fields.length < 14 || leap === undefined || Number.isNaN(offsetSeconds)) {
    return {
      status: 'unknown',
      found: 'neither systemd-timesyncd nor chrony answers',
      advice: ADVICE,
    }
  }
  if (leap === 'Not synchronised') {
    return { status: 'notice', found: 'chrony runs, not in step', advice: ADVICE }
  }
  const offsetMs = Math.abs(offsetSeconds * 1000).toFixed(3)
  return { status: 'ok', found: `chrony keeps the clock in step, ${offsetMs} ms off` }
}
