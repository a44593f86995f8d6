import { errorCatalogue, PurlinError, toPurlinError } from '@purlin/base'
import { type Kind, kindNames, kinds, problemsOfIssue } from '@purlin/schema'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { z } from 'zod'

/** Answers any error as `application/problem+json` (RFC 9457); faults of ours are logged with their
 *  stack. */
export function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = purlinErrorOf(thrown, request)
  const problem = error.toProblem()
  if (errorCatalogue[error.code].kind === 'failed')
    request.log.error({ err: thrown, code: error.code }, error.message)
  void reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Answers paths that are no calls here; for one of a kind that others serve, with who does. */
export function unknownCall(
  served: readonly Kind[],
  elsewhere: ((kind: Kind) => string) | undefined,
): (request: FastifyRequest, reply: FastifyReply) => void {
  return (request, reply) => {
    const plural = /^\/v1\/([a-z-]+)/.exec(request.url)?.[1]
    const kind = kindNames.find((one) => kinds[one].plural === plural)
    if (elsewhere !== undefined && kind !== undefined && !served.includes(kind)) {
      const message = elsewhere(kind)
      answerProblem(new PurlinError('PUR_KIND_NOT_SERVED', { message }), request, reply)
      return
    }
    const message = `${request.method} ${request.url}: no such call; /v1/openapi.json lists them`
    answerProblem(new PurlinError('PUR_RESOURCE_MISSING', { message }), request, reply)
  }
}

function purlinErrorOf(thrown: unknown, request: FastifyRequest): PurlinError {
  const call = `${request.method} ${request.url}`
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const problems = thrown.validation.flatMap((one) => {
      const issue = one.params.issue as z.core.$ZodIssue | undefined
      return issue === undefined ? [] : problemsOfIssue(issue, [])
    })
    const listed = problems.map(({ path, message }) => `${path || 'body'}: ${message}`).join('; ')
    return new PurlinError('PUR_INVALID', { message: `${call}: ${listed}`, problems })
  }
  if (thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number') {
    const refused = thrown.statusCode >= 400 && thrown.statusCode < 500
    if (refused) return new PurlinError('PUR_INVALID', { message: `${call}: ${thrown.message}` })
  }
  return toPurlinError(thrown)
}
