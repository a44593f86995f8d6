import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

const TAIL_BYTES = 64 * 1024
/** A reader that takes nothing loses what comes then. */
const UNSENT_BYTES_MAX = 1024 * 1024

/** The line between the machine's serial port and the BMC: it outlives restarts of both, records
 *  everything in a file, and keeps the end of it. */
export class SerialLine {
  readonly port: number
  readonly #server: Server
  readonly #log: WriteStream
  readonly #readers: Set<Socket>
  #tail: Buffer = Buffer.alloc(0)

  private constructor(server: Server, log: WriteStream, readers: Set<Socket>) {
    this.#server = server
    this.#log = log
    this.#readers = readers
    this.port = (server.address() as AddressInfo).port
  }

  /** Opens the line; `typed` is called with what comes from the BMC. */
  static async open(logFile: string, typed: (bytes: Buffer) => void): Promise<SerialLine> {
    const readers = new Set<Socket>()
    const server = createServer((socket) => {
      readers.add(socket)
      socket
        .on('data', typed)
        .on('error', () => {})
        .on('close', () => readers.delete(socket))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 }).on('error', () => {})
    return new SerialLine(server, log, readers)
  }

  /** Whether the BMC listens to the line. */
  get connected(): boolean {
    return this.#readers.size > 0
  }

  /** The last 64 KiB that were printed. */
  get tail(): string {
    return this.#tail.toString('latin1')
  }

  print(bytes: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-TAIL_BYTES)
    this.#log.write(bytes)
    for (const reader of this.#readers) {
      if (reader.writableLength < UNSENT_BYTES_MAX) reader.write(bytes)
    }
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) reader.destroy()
    this.#server.close()
    await new Promise<void>((resolve) => this.#log.end(() => resolve()))
  }
}
