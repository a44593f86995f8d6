import { PurlinError } from '@purlin/base'
import type { HostCapacity, Manifest, SpecOf } from '@purlin/schema'
import { type Amounts, limitOf, NOTHING, sumOf, usableOf } from '../pool/capacity.ts'

/** What is known of a host on which machines are to be. */
export interface HostRoom {
  readonly capacity: HostCapacity
  /** What domains have that are not Purlin's. */
  readonly foreign: Amounts
}

/** Hosts that are known, by name; on others nothing is judged. */
export type HostRooms = ReadonlyMap<string, HostRoom>

/** Refuses machines that would be promised more of a host than its limit, where the change makes it
 *  so: a host that is over its limit already takes any change that adds nothing to that figure.
 *  Only machines that should be active count, since those that are off need no memory; starting
 *  one is a change like any other. Pure. Errors: PUR_HOST_CAPACITY, which names the figures. */
export function refuseBeyondHosts(
  before: readonly Manifest[],
  after: readonly Manifest[],
  rooms: HostRooms,
  home: string,
): void {
  for (const [host, room] of rooms) {
    const limit = limitOf(room.capacity)
    const had = promisedOn(before, host, home)
    const has = promisedOn(after, host, home)
    for (const figure of ['cpus', 'memoryMiB'] as const) {
      const promised = has[figure] + room.foreign[figure]
      if (promised <= limit[figure] || has[figure] <= had[figure]) continue
      throw refusal(host, figure, room, { promised, added: has[figure] - had[figure] })
    }
  }
}

/** Whether a machine that should be so has processors and memory of its host. Pure. */
export function needsHost(powerState: SpecOf<'VirtualMachine'>['powerState']): boolean {
  return powerState === 'running' || powerState === 'paused'
}

/** What machines that should be active are promised on a host. Pure. */
export function promisedOn(manifests: readonly Manifest[], host: string, home: string): Amounts {
  return sumOf(
    manifests.map((manifest) => {
      if (manifest.kind !== 'VirtualMachine' || !needsHost(manifest.spec.powerState)) return NOTHING
      return (manifest.spec.host ?? home) === host ? manifest.spec : NOTHING
    }),
  )
}

function refusal(
  host: string,
  figure: keyof Amounts,
  { capacity, foreign }: HostRoom,
  { promised, added }: { readonly promised: number; readonly added: number },
): PurlinError {
  const isCpu = figure === 'cpus'
  const unit = isCpu ? 'processors' : 'MiB of memory'
  const reserve = isCpu ? capacity.reservedCpus : capacity.reservedMemoryMiB
  const ratio = isCpu ? capacity.cpuRatio : capacity.memoryRatio
  const limit = limitOf(capacity)[figure]
  const strangers = foreign[figure] > 0 ? `, ${foreign[figure]} of them to foreign domains` : ''
  const fields = isCpu ? 'capacity.cpuRatio' : 'capacity.memoryRatio or reservedMemoryMiB'
  return new PurlinError('PUR_HOST_CAPACITY', {
    message: `host ${host}: its machines would be promised ${promised} ${unit}${strangers}, ${added} more than now, and its limit is ${limit}: ${capacity[figure]} less ${reserve} for the host itself, ${ratio} times; stop machines there, name another host, or change ${fields} of its agent; nothing was applied`,
    context: { host, figure, promised, limit, usable: usableOf(capacity)[figure], ratio },
  })
}
