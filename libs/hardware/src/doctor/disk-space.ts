import type { DiskRoom } from '../host-reader.ts'
import { doctorCheck, type Opinion } from './check.ts'

export interface DiskSpaceReading extends DiskRoom {
  readonly folder: string
}

const MIB = 1024 * 1024
const PROBLEM_BYTES = 64 * MIB
const NOTICE_BYTES = 512 * MIB

/** Whether the state has room to grow. */
export const diskSpace = doctorCheck<DiskSpaceReading>({
  name: 'disk-space',
  read: async (host, { stateFolder }) =>
    stateFolder === undefined
      ? undefined
      : { folder: stateFolder, ...(await host.diskRoom(stateFolder)) },
  judge: (reading) => [judgeDiskSpace(reading)],
})

/** Pure. */
export function judgeDiskSpace({ folder, freeBytes, totalBytes }: DiskSpaceReading): Opinion {
  const found = `${folder}: ${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} MiB free`
  if (freeBytes >= NOTICE_BYTES) return { status: 'ok', found }
  return {
    status: freeBytes < PROBLEM_BYTES ? 'problem' : 'notice',
    found,
    advice: 'Free space there; on a full disk changes are refused, and what is in force stays.',
  }
}

function mebibytes(sizeBytes: number): string {
  return Math.floor(sizeBytes / MIB).toLocaleString('en-US')
}
