import { readFile } from 'node:fs/promises'
import { writeWhole } from '@purlin/service'
import { z } from 'zod'

const enrolled = z.strictObject({
  instance: z.string(),
  chassis: z.string(),
  tokenSha256: z.string(),
  enrolledAtMs: z.number(),
})

/** An instance that may push, and the SHA-256 of its token. */
export type Enrolled = Readonly<z.infer<typeof enrolled>>

/** Who may push, in a file that is written before a token is given out. */
export class Enrolment {
  readonly #path: string
  readonly #byInstance: Map<string, Enrolled>
  readonly #byToken = new Map<string, Enrolled>()
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, entries: readonly Enrolled[]) {
    this.#path = path
    this.#byInstance = new Map(entries.map((entry) => [entry.instance, entry]))
    for (const entry of entries) this.#byToken.set(entry.tokenSha256, entry)
  }

  /** Errors: those of the file system but for a file that is not there, and of a file that is not
   *  as we wrote it. */
  static async open(path: string): Promise<Enrolment> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '[]'
      throw error
    })
    return new Enrolment(path, z.array(enrolled).parse(JSON.parse(text)))
  }

  of(instance: string): Enrolled | undefined {
    return this.#byInstance.get(instance)
  }

  byToken(tokenSha256: string): Enrolled | undefined {
    return this.#byToken.get(tokenSha256)
  }

  all(): Iterable<Enrolled> {
    return this.#byInstance.values()
  }

  /** In the place of the instance's former entry, whose token ends. */
  async put(entry: Enrolled): Promise<void> {
    this.#drop(entry.instance)
    this.#byInstance.set(entry.instance, entry)
    this.#byToken.set(entry.tokenSha256, entry)
    await this.#write()
  }

  async remove(instance: string): Promise<void> {
    if (this.#drop(instance)) await this.#write()
  }

  #drop(instance: string): boolean {
    const former = this.#byInstance.get(instance)
    if (former === undefined) return false
    this.#byInstance.delete(instance)
    this.#byToken.delete(former.tokenSha256)
    return true
  }

  /** One after the other; a failure is told to its own caller alone. */
  async #write(): Promise<void> {
    const write = (): Promise<void> =>
      writeWhole(this.#path, `${JSON.stringify([...this.#byInstance.values()])}\n`)
    this.#writing = this.#writing.then(write, write)
    await this.#writing
  }
}
