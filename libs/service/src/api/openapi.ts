import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'

/** Body of every error answer. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().meta({ example: 'PUR_INVALID' }),
    problems: z
      .array(
        z.object({
          document: z.number().int().optional(),
          line: z.number().int().optional(),
          path: z.string(),
          message: z.string(),
        }),
      )
      .optional(),
    context: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457, application/problem+json.' })

/** Error answers that any call may give; the status follows from the code's kind. */
export const problemResponses = { default: problemSchema } as const

/** The head of the OpenAPI 3.1 document; paths and components follow from the routes. */
export function swaggerOptions({
  title,
  version,
}: {
  readonly title: string
  readonly version: string
}): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title,
        version,
        description:
          'Additive within /v1. Work answers 202 with a task. Errors are application/problem+json with a stable code.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  }
}
