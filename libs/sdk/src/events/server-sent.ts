import { PurlinError } from '@purlin/base'

/** One message of a stream of server-sent events (WHATWG HTML, section 9.2). */
export interface ServerSentMessage {
  /** The last `id` seen, also where this message had none. */
  readonly id: string
  /** Empty where the message only moved the id. */
  readonly text: string
}

const MESSAGE_LIMIT_CHARACTERS = 4 * 1024 * 1024

/** Cuts a stream of bytes into messages. A message that the connection cut short is dropped, as the
 *  standard asks: it comes again after the resume. Errors: PUR_INTERNAL on a message over 4 MiB. */
export async function* serverSentMessages(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentMessage, void> {
  const decoder = new TextDecoder()
  let rest = ''
  let id = ''
  let lines: string[] = []
  let moved = false
  let size = 0
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    // A CR at the very end may be the first half of CR LF; it waits for the next chunk.
    const whole = /\r\n|\n|\r(?!$)/g
    let start = 0
    for (let end = whole.exec(rest); end !== null; end = whole.exec(rest)) {
      const line = rest.slice(start, end.index)
      start = whole.lastIndex
      if (line === '') {
        if (lines.length > 0 || moved) yield { id, text: lines.join('\n') }
        lines = []
        moved = false
        size = 0
        continue
      }
      const { field, text } = fieldOf(line)
      size += text.length
      if (field === 'data') lines.push(text)
      if (field === 'id' && !text.includes('\0')) {
        id = text
        moved = true
      }
    }
    rest = rest.slice(start)
    if (rest.length + size > MESSAGE_LIMIT_CHARACTERS) {
      throw new PurlinError('PUR_INTERNAL', {
        message: 'a message of the event stream is too long',
      })
    }
  }
}

function fieldOf(line: string): { field: string; text: string } {
  const colon = line.indexOf(':')
  if (colon < 0) return { field: line, text: '' }
  return { field: line.slice(0, colon), text: line.slice(colon + 1).replace(/^ /, '') }
}
