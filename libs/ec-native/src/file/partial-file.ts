import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PurlinError, toPurlinError } from '@purlin/base'

/** A file that is written under another name and gets its own only when all of it is on the disk,
 *  so that nobody ever finds half of it under its name. A process that is killed leaves at most
 *  `.NAME.PID.partial`. */
export class PartialFile {
  readonly path: string
  readonly #partialPath: string
  readonly #handle: FileHandle
  #finished = false

  private constructor(path: string, partialPath: string, handle: FileHandle) {
    this.path = path
    this.#partialPath = partialPath
    this.#handle = handle
  }

  /** Begins the file. Errors: PUR_EC_SHARD_FILE. */
  static async create(path: string): Promise<PartialFile> {
    const partialPath = join(dirname(path), `.${basename(path)}.${process.pid}.partial`)
    const handle = await fileStep(`cannot create ${path}`, () => open(partialPath, 'w', 0o644))
    return new PartialFile(path, partialPath, handle)
  }

  /** Writes behind what is written already. Errors: PUR_EC_SHARD_FILE. */
  async append(parts: readonly Uint8Array[]): Promise<void> {
    await fileStep(`cannot write ${this.path}`, async () => {
      for (const part of parts) {
        for (let done = 0; done < part.length; ) {
          done += (await this.#handle.write(part, done)).bytesWritten
        }
      }
    })
  }

  /** Brings everything to the disk; the file has its partial name still. Errors:
   *  PUR_EC_SHARD_FILE. */
  async sync(): Promise<void> {
    await fileStep(`cannot write ${this.path}`, () => this.#handle.sync())
  }

  /** Gives the file its name, in place of a file of that name. Errors: PUR_EC_SHARD_FILE. */
  async finish(): Promise<void> {
    await fileStep(`cannot put ${this.path} in place`, async () => {
      await rename(this.#partialPath, this.path)
      this.#finished = true
    })
  }

  /** Closes the file, and takes it away where it was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
    if (!this.#finished) await rm(this.#partialPath, { force: true })
  }
}

/** Makes the names in `folder` lasting. */
export async function syncFolder(folder: string): Promise<void> {
  await fileStep(`cannot write ${folder}`, async () => {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
}

/** Runs a step on files. Errors: PUR_EC_SHARD_FILE, whose sentence begins with `what`. */
export async function fileStep<Value>(what: string, step: () => Promise<Value>): Promise<Value> {
  try {
    return await step()
  } catch (cause) {
    if (cause instanceof PurlinError) throw cause
    throw new PurlinError('PUR_EC_SHARD_FILE', {
      message: `${what}: ${toPurlinError(cause).message}`,
      cause,
    })
  }
}
