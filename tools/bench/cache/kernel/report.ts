import { aligned } from '../../../sandbox/up/table.ts'
import type { KernelRun } from './measure.ts'
import type { DiskRequests } from './memory-disk.ts'

/** The runs for people. Pure. */
export function kernelLines(runs: readonly KernelRun[]): readonly string[] {
  const head = [
    ...['load', 'cache', 'read hits', 'disk reads', 'disk writes', 'spared'],
    ...['spared, all home', 'flash bytes a request'],
  ]
  const rows = runs.map((run) => [
    run.load,
    run.peer,
    run.hitRatio === undefined ? '' : run.hitRatio.toFixed(3),
    `${run.disk.reads}`,
    `${run.disk.writes}`,
    spared(run.disk, run.requests).toFixed(3),
    // The warm-up has as many.
    spared(run.diskInAll, 2 * run.requests).toFixed(3),
    (run.ssdWrittenBytes / run.requests).toFixed(0),
  ])
  return aligned([head, ...rows])
}

/** Which part of the clients’ requests did not become one of the disk’s; below zero where a cache
 *  makes more. Pure. */
export function spared({ reads, writes }: DiskRequests, requests: number): number {
  return 1 - (reads + writes) / requests
}
