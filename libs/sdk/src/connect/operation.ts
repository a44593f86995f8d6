import { PurlinError } from '@purlin/base'
import { bareMetalOperations, operations, problemsOfIssue, type Task } from '@purlin/schema'
import { TaskHandle } from '../tasks/task-handle.ts'
import { type Call, type CallOptions, fillPath, type RevisionOptions } from './call.ts'
import { mutationHeaders } from './idempotency.ts'
import type { Transport } from './transport.ts'

/** The calls of every daemon; those that daemons share are the same. */
const table = { ...operations, ...bareMetalOperations }
type Operations = typeof table
export type OperationName = keyof Operations

/** Body of the operation as a caller writes it. */
export type BodyOf<Name extends OperationName> = Operations[Name] extends {
  body: { _zod: { input: infer Body } }
}
  ? Body
  : undefined

/** Answer of the operation. */
export type AnswerOf<Name extends OperationName> = Operations[Name] extends {
  answer: { _zod: { output: infer Answer } }
}
  ? Answer
  : never

/** The operations that are answered with a task. */
export type TaskOperation = {
  [Name in OperationName]: Operations[Name] extends { status: 202 } ? Name : never
}[OperationName]

/** Everything of a call beside the table's row. */
export interface OperationInput<Name extends OperationName> {
  readonly parts?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number>>
  readonly body?: BodyOf<Name>
  readonly acceptedStatuses?: readonly number[]
  readonly options?: RevisionOptions | undefined
}

/** Carries out one operation of the table. Answers are taken as they come: the API only ever
 *  grows, so a field that this client does not know is no error. Errors: PUR_INVALID before
 *  anything is sent where the body does not fit, then as Transport.json. */
export async function carryOut<Name extends OperationName>(
  transport: Transport,
  name: Name,
  input: OperationInput<Name> = {},
): Promise<AnswerOf<Name>> {
  return (await transport.json(callOf(transport, name, input))) as AnswerOf<Name>
}

/** Carries out an operation that is answered with a task. */
export async function startTask<Name extends TaskOperation>(
  transport: Transport,
  name: Name,
  input: OperationInput<Name>,
): Promise<TaskHandle> {
  return await sendForTask(transport, callOf(transport, name, input))
}

/** Sends a call that is answered with a task. */
export async function sendForTask(transport: Transport, call: Call): Promise<TaskHandle> {
  return new TaskHandle(transport, (await transport.json(call)) as Task)
}

/** The call of an operation, its body checked. */
export function callOf<Name extends OperationName>(
  transport: Transport,
  name: Name,
  { parts = {}, query, body, acceptedStatuses, options }: OperationInput<Name>,
): Call {
  const operation: Operations[OperationName] = table[name]
  if (body !== undefined && 'body' in operation) {
    const checked = operation.body.safeParse(body)
    if (!checked.success) {
      const problems = checked.error.issues.flatMap((issue) => problemsOfIssue(issue, []))
      const listed = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
      throw new PurlinError('PUR_INVALID', { message: `${operation.path}: ${listed}`, problems })
    }
  }
  const text = body === undefined ? undefined : JSON.stringify(body)
  const callOptions: CallOptions | undefined = options
  return {
    method: operation.method,
    path: fillPath(operation.path, parts),
    ...(operation.method !== 'GET' && { headers: mutationHeaders(transport, options) }),
    ...(query && { query }),
    ...(text !== undefined && { body: () => text }),
    ...(acceptedStatuses && { acceptedStatuses }),
    options: callOptions,
  }
}
