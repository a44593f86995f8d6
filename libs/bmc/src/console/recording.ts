import { type FileHandle, open, rename, stat } from 'node:fs/promises'

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
