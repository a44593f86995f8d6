import { connect, type Socket } from 'node:net'

/** Longest answer that is read: a status of 10,000 volumes is below 2 MB. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** How the errors of an exchange are named by whoever knows the program at the other end. */
export interface LineExchangeErrors {
  /** Nobody listens, or the connection ended before the answer. */
  readonly unreachable: (found: string) => Error
  readonly badAnswer: (found: string) => Error
}

/** Sends one line to a program at a unix socket and gives the line that it answers, over a
 *  connection of its own: the program may be replaced between two exchanges, and then the next one
 *  finds its successor. `line` has no end of line, the answer may have one. An abort ends the
 *  connection, and with it the exchange as unreachable. Errors: those of `errors`. */
export async function exchangeLine(
  path: string,
  line: string,
  errors: LineExchangeErrors,
  signal: AbortSignal,
): Promise<string> {
  const socket = connect(path)
  const end = (): void => void socket.destroy()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await answered(socket, `${line}\n`, errors)
  } finally {
    signal.removeEventListener('abort', end)
    socket.destroy()
  }
}

async function answered(
  socket: Socket,
  request: string,
  { unreachable, badAnswer }: LineExchangeErrors,
): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const parts: Buffer[] = []
    let length = 0
    socket.once('error', (error) => reject(unreachable(error.message)))
    socket.once('close', () => reject(unreachable('it closed the connection')))
    socket.on('data', (part: Buffer) => {
      parts.push(part)
      length += part.length
      if (part.includes(0x0a)) resolve(Buffer.concat(parts).toString('utf8'))
      else if (length > ANSWER_BYTES_MAX) {
        reject(badAnswer(`its answer is longer than ${ANSWER_BYTES_MAX} bytes`))
      }
    })
    socket.write(request)
  })
}
