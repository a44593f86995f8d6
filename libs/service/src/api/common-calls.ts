import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, toPurlinError } from '@purlin/base'
import { type Event, type operations, type Task, taskEnded } from '@purlin/schema'
import { type EventLog, readBackup, type Store, type TaskLog } from '@purlin/store'
import { RESOURCE_PREFIX, type ResourceRecord } from '../resources/record.ts'
import type { Alerts } from '../status/alerts.ts'
import type { Changes } from '../work/changes.ts'
import type { TaskFollower } from '../work/task-follower.ts'
import type { Tokens } from './auth.ts'
import { sendEvents } from './event-stream.ts'
import type { Call, HandlersOf } from './handlers.ts'
import type { IdempotencyLog, OnceRequest } from './idempotency.ts'

/** What the calls that every daemon has work with. */
export interface CommonGrounds {
  readonly store: Store
  readonly events: EventLog
  readonly tasks: TaskLog
  readonly tokens: Tokens
  readonly alerts: Alerts
  readonly changes: Pick<Changes, 'restore' | 'takeBack'>
  readonly follower: TaskFollower
}

type CommonCalls = Pick<
  typeof operations,
  | 'listTasks'
  | 'getTask'
  | 'cancelTask'
  | 'listAlerts'
  | 'streamEvents'
  | 'listTokens'
  | 'createToken'
  | 'deleteToken'
  | 'backupState'
  | 'restoreState'
>

/** The calls that every daemon has: tasks, alerts, events, tokens, and copies of the state. */
export function commonHandlers(grounds: CommonGrounds, once: Once): HandlersOf<CommonCalls> {
  const { events, tasks, tokens, alerts, store } = grounds
  return {
    listTasks: async () => ({ items: [...(await tasks.list())] }),
    getTask: async ({ params, query, signal }) =>
      await tasks.wait(params.id ?? '', query.waitMs, signal),
    cancelTask: async ({ params }) => await cancelTask(grounds, params.id ?? ''),
    listAlerts: async () => ({ items: [...alerts.list()] }),
    streamEvents: async ({ query, lastEventId, signal, reply }) => {
      const after = query.after ?? lastEventId
      const from = after ?? (query.follow === 'true' ? await events.last() : 0)
      await sendEvents(reply, from, eventsOf(events, from, query.follow === 'true', signal))
      return undefined
    },
    listTokens: async () => tokens.list(),
    createToken: async ({ body }) => await tokens.create(body.name, body.role),
    deleteToken: async ({ params }) => {
      await tokens.remove(params.name ?? '')
      return {}
    },
    backupState: async () => await backup(store),
    restoreState: (call) => once(call, (request) => restore(grounds, call.body, request)),
  }
}

/** Carries a request out once a key, and gives its task also to those who repeat it. */
export type Once = (call: Call, work: (request?: OnceRequest) => Promise<Task>) => Promise<Task>

/** Carries requests out once a key. */
export function onceOf({
  idempotency,
  tasks,
}: {
  readonly idempotency: IdempotencyLog
  readonly tasks: TaskLog
}): Once {
  return async (call, work) => {
    let made: Task | undefined
    const request = { path: call.reply.request.url, body: call.body }
    const id = await idempotency.once(call.idempotencyKey, request, async (once) => {
      made = await work(once)
      return made.id
    })
    return made ?? (await tasks.get(id))
  }
}

/** Puts back what the task changed, then ends it. Where somebody changed it since, the task goes
 *  on. */
async function cancelTask({ tasks, changes, follower }: CommonGrounds, id: string): Promise<Task> {
  const task = await tasks.get(id)
  if (taskEnded(task)) return await tasks.cancel(id)
  follower.leave(id)
  try {
    await changes.takeBack(id)
  } catch (thrown) {
    await follower.follow(task)
    if (toPurlinError(thrown).code !== 'PUR_STORE_CONFLICT') throw thrown
    const message = `task ${id}: what it changed was changed again since and is left as it is; the task goes on`
    throw new PurlinError('PUR_STORE_CONFLICT', { message, cause: thrown })
  }
  return await tasks.cancel(id)
}

async function* eventsOf(
  events: EventLog,
  after: number,
  follow: boolean,
  signal: AbortSignal,
): AsyncIterable<Event> {
  if (follow) {
    yield* events.follow({ after, signal })
    return
  }
  let from = after
  for (;;) {
    const batch = await events.read({ after: from })
    yield* batch
    const last = batch.at(-1)
    if (last === undefined) return
    from = last.sequence
  }
}

async function backup(store: Store): Promise<NodeJS.ReadableStream> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-backup-'))
  const file = join(folder, 'state.db')
  await store.backup(file)
  const stream = createReadStream(file)
  stream.once('close', () => void rm(folder, { recursive: true, force: true }))
  return stream
}

/** Brings the resources of a backup back as one new change; tasks, events and tokens stay as they
 *  are. */
async function restore(
  grounds: CommonGrounds,
  body: unknown,
  request?: OnceRequest,
): Promise<Task> {
  if (!(body instanceof Uint8Array)) {
    const message = 'restore: send the backup file as application/octet-stream'
    throw new PurlinError('PUR_INVALID', { message })
  }
  const folder = await mkdtemp(join(tmpdir(), 'purlin-restore-'))
  try {
    const file = join(folder, 'state.db')
    await writeFile(file, body, { mode: 0o600 })
    const entries = await readBackup(file)
    const records = entries
      .filter(({ key }) => key.startsWith(RESOURCE_PREFIX))
      .map(({ value }) => value as ResourceRecord)
    return await grounds.changes.restore(records, request)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
