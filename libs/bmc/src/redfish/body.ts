import type { IncomingMessage } from 'node:http'
import { foreignText } from '../foreign-text.ts'
import { fieldOf, listOf, textOf } from './resource.ts'

const BODY_BYTES_MAX = 1024 * 1024

/** What an answer carries: a resource, or a reason why there is none to be read. */
export interface RedfishBody {
  readonly resource?: unknown
  readonly fault?: string
}

/** Reads an answer of at most 1 MiB; what is longer or no JSON has a fault. */
export async function readBody(response: IncomingMessage): Promise<RedfishBody> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > BODY_BYTES_MAX)
      return { fault: `its answer is longer than ${BODY_BYTES_MAX} bytes` }
    parts.push(part)
  }
  return parseBody(Buffer.concat(parts).toString('utf8'))
}

/** Reads JSON; an empty text is an answer without a resource. */
export function parseBody(text: string): RedfishBody {
  if (text.trim() === '') return {}
  try {
    return { resource: JSON.parse(text) as unknown }
  } catch {
    return { fault: 'its answer is no JSON' }
  }
}

/** Why an answer is none, by its status (RFC 9110) and the error it may carry (DSP0266, 8.6). */
export function refusalOf(
  status: number,
  body: RedfishBody,
):
  | {
      readonly code:
        | 'PUR_BMC_PASSWORD'
        | 'PUR_BMC_UNSUPPORTED'
        | 'PUR_BMC_UNREACHABLE'
        | 'PUR_BMC_REFUSED'
        | 'PUR_BMC_BAD_ANSWER'
      readonly found: string
    }
  | undefined {
  const good = status >= 200 && status < 300
  if (good && body.fault === undefined) return undefined
  if (good) return { code: 'PUR_BMC_BAD_ANSWER', found: body.fault ?? '' }
  const found = `it answered ${status}${reasonOf(body.resource)}`
  if (status === 401) return { code: 'PUR_BMC_PASSWORD', found }
  if (status === 404 || status === 405 || status === 501) {
    return { code: 'PUR_BMC_UNSUPPORTED', found }
  }
  // The service is not up yet, or has too many callers: nothing was done.
  if (status === 503 || status === 429) return { code: 'PUR_BMC_UNREACHABLE', found }
  return { code: 'PUR_BMC_REFUSED', found }
}

function reasonOf(resource: unknown): string {
  const error = fieldOf(resource, 'error')
  const extended = listOf(fieldOf(error, '@Message.ExtendedInfo'), 4)
  const messages = [...extended.map((one) => fieldOf(one, 'Message')), fieldOf(error, 'message')]
  const message = messages.map(textOf).find((text) => text !== undefined)
  return message === undefined ? '' : `: ${foreignText(message)}`
}
