import { once } from 'node:events'
import { appendFile, readFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { PurlinError, withDeadline } from '@purlin/base'

/** What a witness knows of a run of the writer. */
export interface Testimony {
  readonly session: string
  /** The boot of the writer’s host when it began. */
  readonly boot: string
  /** How many blocks the device has for records. */
  readonly slots: number
  /** The last batch that the writer said was flushed. */
  readonly sequence: number
}

const ANSWER_MS = 10_000
/** Words of one writer or asker. */
const LINE_BYTES_MAX = 4096

/** Listens for writers, and keeps what they say in memory and, line for line, in `file`: the host
 *  of the witness keeps its power. A line is a testimony in JSON, answered by the same line; an
 *  empty object is answered by the last testimony. */
export async function startWitness(
  host: string,
  port: number,
  file: string,
): Promise<{ readonly port: number; close(): void }> {
  let last = await lastOf(file)
  const server: Server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket }).on('line', (line) => {
      const said = testimony(line.slice(0, LINE_BYTES_MAX))
      if (said !== undefined) {
        last = said
        void appendFile(file, `${JSON.stringify(said)}\n`)
      }
      socket.write(`${JSON.stringify(last ?? {})}\n`)
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return { port: bound, close: () => void server.close() }
}

async function lastOf(file: string): Promise<Testimony | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return testimony(text.trimEnd().split('\n').at(-1) ?? '')
}

function testimony(line: string): Testimony | undefined {
  try {
    const { session, boot, slots, sequence } = JSON.parse(line) as Partial<Testimony>
    const whole = [slots, sequence].every((number) => Number.isSafeInteger(number))
    if (typeof session !== 'string' || typeof boot !== 'string' || !whole) return undefined
    return { session, boot, slots: slots as number, sequence: sequence as number }
  } catch {
    return undefined
  }
}

/** The way to a witness. */
export class WitnessLine {
  readonly #place: string
  readonly #socket: Socket
  readonly #answers: AsyncIterator<string>

  private constructor(place: string, socket: Socket) {
    this.#place = place
    this.#socket = socket
    this.#answers = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  /** Errors: PUR_CACHE_WITNESS when `place`, `HOST:PORT`, does not answer. */
  static async open(place: string): Promise<WitnessLine> {
    const [, host, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(place) ?? []
    if (host === undefined) throw silent(place, 'HOST:PORT is needed')
    const socket = connect(Number(port), host)
    socket.setNoDelay(true)
    try {
      await withDeadline(`the witness at ${place}`, ANSWER_MS, (signal) =>
        once(socket, 'connect', { signal }),
      )
    } catch (error) {
      socket.destroy()
      throw silent(place, error instanceof Error ? error.message : String(error))
    }
    socket.on('error', () => socket.destroy())
    return new WitnessLine(place, socket)
  }

  /** Says what is durable, and waits until the witness has heard it. */
  async tell(said: Testimony): Promise<void> {
    await this.#exchange(JSON.stringify(said))
  }

  /** What the witness heard last; undefined if nothing. */
  async ask(): Promise<Testimony | undefined> {
    return testimony(await this.#exchange('{}'))
  }

  close(): void {
    this.#socket.destroy()
  }

  async #exchange(line: string): Promise<string> {
    this.#socket.write(`${line}\n`)
    const answer = await withDeadline(`the witness at ${this.#place}`, ANSWER_MS, () =>
      this.#answers.next(),
    )
    if (answer.done === true) throw silent(this.#place, 'it hung up')
    return answer.value
  }
}

function silent(place: string, found: string): PurlinError {
  return new PurlinError('PUR_CACHE_WITNESS', {
    message: `the witness at ${place} does not answer: ${found}`,
  })
}
