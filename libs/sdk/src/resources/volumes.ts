import type { ExtentList, RollbackAnswer } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from './collection.ts'

/** A run of bytes. */
export type Extent = ExtentList['extents'][number]

/** What is asked of extents: those written to, or, with `since`, those that may differ from that
 *  older snapshot. */
export interface ExtentOptions extends CallOptions {
  readonly since?: string
}

/** Volumes, with what can be asked of a single one. */
export interface Volumes extends Collection<'Volume'> {
  /** Makes the volume what one of its snapshots is. Errors: PUR_RESOURCE_MISSING,
   *  PUR_BLOCK_IN_USE. */
  rollback(name: string, snapshot: string, options?: MutationOptions): Promise<RollbackAnswer>
  /** Its extents as they are read, in order, neighbours joined. */
  extents(name: string, options?: ExtentOptions): AsyncIterable<Extent>
}

/** Snapshots, with what can be asked of a single one. */
export interface Snapshots extends Collection<'Snapshot'> {
  /** As those of a volume. */
  extents(name: string, options?: ExtentOptions): AsyncIterable<Extent>
}

/** The volumes behind `transport`. */
export function volumesOf(transport: Transport): Volumes {
  return {
    ...collectionOf(transport, 'Volume'),
    rollback: (name, snapshot, options) =>
      carryOut(transport, 'rollbackVolume', { parts: { name }, body: { snapshot }, options }),
    extents: (name, options) => extentsOf(transport, 'volumeExtents', name, options),
  }
}

/** The snapshots behind `transport`. */
export function snapshotsOf(transport: Transport): Snapshots {
  return {
    ...collectionOf(transport, 'Snapshot'),
    extents: (name, options) => extentsOf(transport, 'snapshotExtents', name, options),
  }
}

async function* extentsOf(
  transport: Transport,
  operation: 'volumeExtents' | 'snapshotExtents',
  name: string,
  { since, ...options }: ExtentOptions = {},
): AsyncIterable<Extent> {
  let last: Extent | undefined
  for (let offset: number | undefined = 0; offset !== undefined; ) {
    const query = { offset, ...(since !== undefined && { since }) }
    const answer: ExtentList = await carryOut(transport, operation, {
      ...{ parts: { name }, query, options },
    })
    for (const extent of answer.extents) {
      const joined: Extent | undefined =
        last !== undefined && last.offset + last.length === extent.offset
          ? { offset: last.offset, length: last.length + extent.length }
          : undefined
      if (last !== undefined && joined === undefined) yield last
      last = joined ?? extent
    }
    offset = answer.next
  }
  if (last !== undefined) yield last
}
