import { type ErrorCode, errorEntry, type Problem, PurlinError } from '@purlin/base'

/** Makes the error of a problem document (RFC 9457) that came from an agent. A code that this
 *  client does not know becomes PUR_INTERNAL and keeps its text. `context` is added to the
 *  problem's own. */
export function errorOfProblem(
  problem: unknown,
  context: Readonly<Record<string, unknown>> = {},
): PurlinError {
  const fields = isRecord(problem) ? problem : {}
  const code = String(fields.code ?? '')
  const detail = typeof fields.detail === 'string' ? fields.detail : 'no detail was given'
  const known = errorEntry(code) !== undefined
  return new PurlinError(known ? (code as ErrorCode) : 'PUR_INTERNAL', {
    message: known || code === '' ? detail : `${detail} (${code})`,
    problems: problemsOf(fields.problems),
    context: {
      ...(isRecord(fields.context) ? fields.context : {}),
      ...(known || code === '' ? {} : { answeredCode: code }),
      ...context,
    },
  })
}

/** The error of an answer with an error status. An answer without a problem document did not come
 *  from an agent's own code, so the status decides. */
export function errorOfAnswer(what: string, status: number, text: string): PurlinError {
  const problem = parsed(text)
  if (isRecord(problem) && typeof problem.code === 'string') {
    return errorOfProblem(problem)
  }
  const message = `${what}: answered ${status}: ${text.trim().slice(0, 200) || 'empty'}`
  return new PurlinError(codeOfStatus(status), { message, context: { status } })
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'PUR_AUTH_REQUIRED'
  if (status === 403) return 'PUR_AUTH_FORBIDDEN'
  return status === 503 ? 'PUR_AGENT_UNHEALTHY' : 'PUR_INTERNAL'
}

function problemsOf(listed: unknown): Problem[] {
  if (!Array.isArray(listed)) return []
  return listed.filter(isRecord).map((one) => ({
    ...(typeof one.document === 'number' && { document: one.document }),
    ...(typeof one.line === 'number' && { line: one.line }),
    path: String(one.path ?? ''),
    message: String(one.message ?? ''),
  }))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(thing: unknown): thing is Record<string, unknown> {
  return typeof thing === 'object' && thing !== null && !Array.isArray(thing)
}
