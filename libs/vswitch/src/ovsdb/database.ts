import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import { mutate, type Operation, select } from './operation.ts'
import {
  applyUpdates,
  emptyReplica,
  type Replica,
  type TableUpdates,
  watchedColumns,
} from './replica.ts'
import { openSession, refused, type Session } from './session.ts'
import { unreachable } from './unreachable.ts'

const DATABASE = 'Open_vSwitch'
const MONITOR = 'purlin'
const CONNECT_DEADLINE_MS = 2_000
/** Once a caller has waited in vain, the next ones wait this long only, until it is back. */
const GONE_DEADLINE_MS = 100
const CALL_DEADLINE_MS = 5_000
const BACK_OFF_FIRST_MS = 50
const BACK_OFF_LAST_MS = 2_000

/** One result of a transaction's operation. */
export interface OperationResult {
  readonly count?: number
  readonly rows?: readonly Readonly<Record<string, unknown>>[]
}

export interface Database {
  /** The tables as they are now; waits for the connection. Errors: PUR_OVS_UNREACHABLE. */
  replica(signal?: AbortSignal): Promise<Replica>
  /** Commits the operations, all or none. Errors: PUR_OVS_UNREACHABLE, PUR_OVS_REFUSED with the
   *  database's own words. */
  transact(
    what: string,
    operations: readonly Operation[],
    signal?: AbortSignal,
  ): Promise<readonly OperationResult[]>
  /** Commits the operations and returns once ovs-vswitchd has applied them (the database's next_cfg
   *  and cur_cfg, as ovs-vsctl does). Errors: as `transact`, and PUR_OVS_UNREACHABLE when
   *  ovs-vswitchd does not apply within `deadlineMs`. */
  apply(
    what: string,
    operations: readonly Operation[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<Replica>
  /** Tells of every change of the watched tables and of every reconnection, until `signal`. */
  onChange(listener: (reason: string) => void, signal: AbortSignal): void
  close(): void
}

/** The Open vSwitch database behind its unix socket, followed by a monitor into a replica. The
 *  connection is opened at the first use and again, with a back-off from 50 ms to 2 s, whenever it
 *  is lost. Source: RFC 7047; ovs-vswitchd.conf.db(5). */
export function openDatabase(socketPath: string, clock: Clock): Database {
  const stop = new AbortController()
  const listeners = new Set<(reason: string) => void>()
  let replica: Replica = emptyReplica
  let session: Session | undefined
  let lastTrouble = 'it was not connected yet'
  let waiting = Promise.withResolvers<void>()
  let running = false
  let waitedInVain = false

  const tell = (reason: string): void => {
    for (const listener of listeners) listener(reason)
  }
  const wake = (): void => {
    const settled = waiting
    waiting = Promise.withResolvers<void>()
    settled.resolve()
  }
  const follow = (updates: unknown): void => {
    if (typeof updates !== 'object' || updates === null) return
    replica = applyUpdates(replica, updates as TableUpdates)
    wake()
  }

  const connectOnce = async (): Promise<string> => {
    const opened = await openSession({
      socketPath,
      clock,
      connectDeadlineMs: CONNECT_DEADLINE_MS,
      signal: stop.signal,
      onNotification: (method, parameters) => {
        if (method !== 'update' || parameters[0] !== MONITOR) return
        follow(parameters[1])
        tell('the Open vSwitch database changed')
      },
    })
    try {
      replica = emptyReplica
      const requests = Object.entries(watchedColumns).map(([table, columns]) => [
        table,
        [{ columns }],
      ])
      const initial = await opened.call(
        'monitor',
        [DATABASE, MONITOR, Object.fromEntries(requests)],
        CALL_DEADLINE_MS,
        stop.signal,
      )
      session = opened
      waitedInVain = false
      follow(initial)
      tell('the Open vSwitch database is connected')
      return await opened.closed
    } finally {
      opened.close()
    }
  }

  const run = async (): Promise<void> => {
    let backOffMs = BACK_OFF_FIRST_MS
    while (!stop.signal.aborted) {
      try {
        lastTrouble = await connectOnce()
        backOffMs = BACK_OFF_FIRST_MS
      } catch (thrown) {
        const reason = thrown instanceof PurlinError ? thrown.context.reason : undefined
        lastTrouble = String(reason ?? (thrown instanceof Error ? thrown.message : thrown))
      }
      const lost = session !== undefined
      session = undefined
      wake()
      if (lost) tell('the Open vSwitch database is gone')
      await clock.sleep(backOffMs, stop.signal)
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_LAST_MS)
    }
  }
  const start = (): void => {
    if (running) return
    running = true
    run().catch(() => {})
  }

  /** Waits until `met` holds of this object's state, woken by every change of it. */
  const until = async (
    what: string,
    met: () => boolean,
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<void> => {
    start()
    if (met()) return
    await withDeadline(
      what,
      deadlineMs,
      async (expired) => {
        while (!met() && !expired.aborted) await waiting.promise
      },
      signal,
    )
  }
  const connected = async (signal?: AbortSignal): Promise<Session> => {
    try {
      const patienceMs = waitedInVain ? GONE_DEADLINE_MS : CONNECT_DEADLINE_MS
      await until('connect', () => session !== undefined, patienceMs, signal)
    } catch (thrown) {
      if (thrown instanceof PurlinError && thrown.code === 'PUR_CANCELLED') throw thrown
    }
    if (session === undefined) {
      waitedInVain = true
      throw unreachable(socketPath, lastTrouble)
    }
    return session
  }

  const transact: Database['transact'] = async (what, operations, signal) => {
    const open = await connected(signal)
    const answer = await open.call('transact', [DATABASE, ...operations], CALL_DEADLINE_MS, signal)
    const results = Array.isArray(answer) ? answer : []
    for (const result of results) {
      if (result?.error) throw refused(what, `${result.error}: ${result.details ?? ''}`)
    }
    return results
  }

  return {
    replica: async (signal) => {
      await connected(signal)
      return replica
    },
    transact,
    apply: async (what, operations, deadlineMs, signal) => {
      await connected(signal)
      const root = replica.root
      if (root === undefined) {
        throw refused(what, 'it has no configuration; initialise it once: ovs-vsctl --no-wait init')
      }
      const results = await transact(
        what,
        [
          ...operations,
          mutate('Open_vSwitch', root.id, [['next_cfg', '+=', 1]]),
          select('Open_vSwitch', root.id, ['next_cfg']),
        ],
        signal,
      )
      for (const [index, operation] of operations.entries()) {
        if (operation.op === 'mutate' && results[index]?.count === 0) {
          throw refused(what, `row of ${operation.table} is gone`)
        }
      }
      const asked = Number(results.at(-1)?.rows?.[0]?.next_cfg)
      const applied = (): boolean => (replica.root?.currentConfiguration ?? -1) >= asked
      try {
        await until(what, applied, deadlineMs, signal)
      } catch (thrown) {
        if (thrown instanceof PurlinError && thrown.code === 'PUR_DEADLINE_PASSED') {
          throw unreachable(
            socketPath,
            `ovs-vswitchd did not apply "${what}" within ${deadlineMs} ms`,
          )
        }
        throw thrown
      }
      return replica
    },
    onChange: (listener, signal) => {
      start()
      listeners.add(listener)
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
    close: () => {
      stop.abort()
      session?.close()
      wake()
    },
  }
}
