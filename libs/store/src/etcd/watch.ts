import { PurlinError } from '@purlin/base'
import type { StoreChange } from '../store.ts'
import type { Cluster } from './cluster.ts'
import { MemberFailure } from './failure.ts'
import { encode, endOf, numberOf, paths, type RangeRequest, type WatchAnswer } from './gateway.ts'
import { changeOf } from './value.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/** Where a watch is: up to which revision all is told, and what is not whole yet. */
interface Place {
  at: number
  gathered: StoreChange[]
}

/** Follows the changes of a prefix. A watch that breaks off goes on with another member, behind the
 *  last revision it gave. Errors: PUR_STORE_COMPACTED. */
export async function* followChanges(
  cluster: Cluster,
  root: string,
  prefix: string,
  watch: { readonly from: () => Promise<number>; readonly signal: AbortSignal },
): AsyncGenerator<readonly StoreChange[], void, void> {
  const { signal } = watch
  const over = (): boolean => signal.aborted || cluster.closing.aborted
  let place: Place | undefined
  let pauseMs = FIRST_PAUSE_MS
  while (!over()) {
    try {
      place ??= { at: await watch.from(), gathered: [] }
      place.gathered = []
      await assertKept(cluster, root, prefix, place.at)
      if (over()) return
      for await (const batch of batches(cluster, root, prefix, place, signal)) {
        pauseMs = FIRST_PAUSE_MS
        yield batch
        if (over()) return
      }
    } catch (thrown) {
      if (over()) return
      const passing =
        thrown instanceof MemberFailure ||
        (thrown instanceof PurlinError && thrown.code === 'PUR_STORE_UNREACHABLE')
      if (!passing) throw thrown
    }
    await cluster.pause(pauseMs, signal)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
  }
}

async function* batches(
  cluster: Cluster,
  root: string,
  prefix: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<readonly StoreChange[], void, void> {
  const began = place.at
  // What was there before the watch is read from the history, which a compaction may thin out
  // meanwhile without a word about the last revision; so it is asked again before the first is
  // given.
  let behind = false
  const request = {
    create_request: {
      key: encode(root + prefix),
      range_end: encode(endOf(root + prefix)),
      start_revision: String(place.at + 1),
      progress_notify: true,
      fragment: true,
    },
  }
  for await (const line of cluster.stream(paths.watch, request, signal)) {
    const answer = line as WatchAnswer
    if (answer.canceled === true) {
      if (answer.compact_revision !== undefined) throw gone(place.at)
      throw new MemberFailure(answer.cancel_reason ?? 'the watch was ended', {
        passing: true,
        undone: true,
      })
    }
    if (answer.created === true) behind = numberOf(answer.header.revision) > place.at
    const events = answer.events ?? []
    if (events.length > 0 && behind) {
      await assertKept(cluster, root, prefix, began)
      behind = false
    }
    place.gathered.push(...events.map((event) => changeOf(root, event)))
    const revisions = [...Map.groupBy(place.gathered, ({ revision }) => revision).values()]
    // The last revision of a fragment may go on in the next.
    place.gathered = answer.fragment === true ? (revisions.pop() ?? []) : []
    for (const batch of revisions) {
      yield batch
      place.at = batch[0]?.revision ?? place.at
    }
    // An answer without events says that all up to its revision has been told.
    if (events.length === 0 && answer.created !== true && place.gathered.length === 0) {
      place.at = Math.max(place.at, numberOf(answer.header.revision))
    }
  }
}

/** Errors: PUR_STORE_COMPACTED where changes after the revision are gone, or where it was never
 *  reached. A read at a revision is refused in just these cases. */
async function assertKept(
  cluster: Cluster,
  root: string,
  prefix: string,
  after: number,
): Promise<void> {
  const request: RangeRequest = {
    key: encode(root + prefix),
    revision: String(Math.max(1, after)),
    count_only: true,
  }
  try {
    await cluster.ask(`watch ${prefix}`, paths.range, request)
  } catch (thrown) {
    const refused = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_COMPACTED'
    throw refused ? gone(after, thrown) : thrown
  }
}

function gone(after: number, cause?: unknown): PurlinError {
  return new PurlinError('PUR_STORE_COMPACTED', {
    message: `watch after revision ${after}: the store no longer keeps what came after, or was never there; list again and watch from there`,
    context: { after },
    cause,
  })
}
