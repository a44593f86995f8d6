import { PurlinError } from '@purlin/base'
import { countProcessors, type HostTree } from '@purlin/hardware'
import type { HostCapacity } from '@purlin/schema'
import type { Configuration } from '../config/config.ts'

const KIB_A_MIB = 1_024

/** What this host has, and how much of it its configuration lets machines be promised. Errors:
 *  PUR_HOST_UNFIT where the kernel does not tell its memory. */
export async function ownCapacity(
  tree: HostTree,
  { capacity }: Pick<Configuration, 'capacity'>,
): Promise<HostCapacity> {
  const memory = (await tree.text('/proc/meminfo')) ?? ''
  const totalKib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(memory)?.[1] ?? 0)
  if (totalKib === 0) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message:
        'looking for the host’s memory: /proc/meminfo has no MemTotal; see that /proc is mounted',
    })
  }
  return {
    cpus: await countProcessors(tree),
    memoryMiB: Math.floor(totalKib / KIB_A_MIB),
    ...capacity,
  }
}
