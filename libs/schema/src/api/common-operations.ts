import { z } from 'zod'
import { alert } from '../work/alert.ts'
import { task } from '../work/task.ts'
import { applyRequest, planAnswer, planRequest } from './apply.ts'
import { doctorAnswer, healthAnswer, tokenAnswer, tokenList, tokenRequest } from './host.ts'
import type { Operation } from './operation.ts'

/** Calls that every daemon answers: manifests, tasks, alerts, events. */
export const workOperations = {
  apply: {
    method: 'POST',
    path: '/v1/apply',
    summary: 'Apply a manifest, all or nothing.',
    role: 'operator',
    status: 202,
    body: applyRequest,
    answer: task,
  },
  plan: {
    method: 'POST',
    path: '/v1/plan',
    summary: 'What a manifest would change; nothing is applied.',
    role: 'viewer',
    status: 200,
    body: planRequest,
    answer: planAnswer,
  },
  listTasks: {
    method: 'GET',
    path: '/v1/tasks',
    summary: 'Tasks, newest first.',
    role: 'viewer',
    status: 200,
    answer: z.strictObject({ items: z.array(task) }),
  },
  getTask: {
    method: 'GET',
    path: '/v1/tasks/:id',
    summary: 'A task; with waitMs the answer comes when it ends, changes, or the time is over.',
    role: 'viewer',
    status: 200,
    query: z.strictObject({ waitMs: z.coerce.number().int().min(0).max(60_000).default(0) }),
    answer: task,
  },
  cancelTask: {
    method: 'POST',
    path: '/v1/tasks/:id/cancel',
    summary: 'Give a task up.',
    role: 'operator',
    status: 200,
    answer: task,
  },
  listAlerts: {
    method: 'GET',
    path: '/v1/alerts',
    summary: 'Alerts, raised and cleared.',
    role: 'viewer',
    status: 200,
    answer: z.strictObject({ items: z.array(alert) }),
  },
  streamEvents: {
    method: 'GET',
    path: '/v1/events',
    summary: 'Events as they happen (SSE). Resume with Last-Event-ID or after.',
    role: 'viewer',
    status: 200,
    query: z.strictObject({
      after: z.coerce
        .number()
        .int()
        .min(0)
        .optional()
        .meta({ description: 'Sequence; absent: from now on.' }),
      follow: z
        .enum(['true', 'false'])
        .default('true')
        .meta({ description: 'false: end after what is there.' }),
    }),
    answerType: 'text/event-stream',
  },
} as const satisfies Record<string, Operation>

/** Calls that every daemon answers about itself. */
export const daemonOperations = {
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'What the host lacks or what stands in the way.',
    role: 'viewer',
    status: 200,
    answer: doctorAnswer,
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'Tokens, without their text.',
    role: 'admin',
    status: 200,
    answer: tokenList,
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token; its text is shown once.',
    role: 'admin',
    status: 200,
    body: tokenRequest,
    answer: tokenAnswer,
  },
  deleteToken: {
    method: 'DELETE',
    path: '/v1/tokens/:name',
    summary: 'Withdraw a token.',
    role: 'admin',
    status: 200,
    answer: z.strictObject({}),
  },
  backupState: {
    method: 'GET',
    path: '/v1/state/backup',
    summary: 'A consistent copy of the state.',
    role: 'admin',
    status: 200,
    answerType: 'application/octet-stream',
  },
  restoreState: {
    method: 'POST',
    path: '/v1/state/restore',
    summary: 'Bring the resources of a backup back, all or nothing.',
    role: 'admin',
    status: 202,
    bodyType: 'application/octet-stream',
    answer: task,
  },
  health: {
    method: 'GET',
    path: '/healthz',
    summary: 'Whether every lane works.',
    role: null,
    status: 200,
    otherStatus: 503,
    answer: healthAnswer,
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Figures for Prometheus.',
    role: 'viewer',
    status: 200,
    answerType: 'text/plain',
  },
} as const satisfies Record<string, Operation>
