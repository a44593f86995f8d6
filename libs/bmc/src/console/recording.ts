import { type FileHandle, open, rename, stat } from 'node:fs/promises'

/** What a recording ends with, at most `bytes` of both its halves; nothing where there is none.
 *  Also while it is written to. */
export async function endOfRecording(path: string, bytes: number): Promise<Uint8Array> {
  const newer = await endOfFile(path, bytes)
  const older = await endOfFile(`${path}.1`, bytes - newer.length)
  return Buffer.concat([older, newer])
}

async function endOfFile(path: string, bytes: number): Promise<Uint8Array> {
  if (bytes <= 0) return new Uint8Array()
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    const length = Math.min(size, bytes)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.subarray(0, bytesRead)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') {
      return new Uint8Array()
    }
    throw thrown
  }
}

/** A file that grows to half of `bytesMax`, then becomes `PATH.1` in place of the one before. */
export class Recording {
  readonly #path: string
  readonly #halfBytes: number
  #file: FileHandle | undefined
  #written = 0

  constructor(path: string, bytesMax: number) {
    this.#path = path
    this.#halfBytes = Math.max(1, Math.floor(bytesMax / 2))
  }

  /** Appends; what stands there of an earlier life is kept. Calls one after the other. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      this.#file ??= await this.#open()
      const file = this.#file
      const room = this.#halfBytes - this.#written
      if (room <= 0) {
        await this.#turn(file)
        continue
      }
      const part = bytes.subarray(from, from + room)
      await file.appendFile(part)
      this.#written += part.length
      from += part.length
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #open(): Promise<FileHandle> {
    const file = await open(this.#path, 'a', 0o600)
    this.#written = (await stat(this.#path)).size
    return file
  }

  async #turn(file: FileHandle): Promise<void> {
    await file.close()
    this.#file = undefined
    await rename(this.#path, `${this.#path}.1`)
  }
}
