import { readFile } from 'node:fs/promises'
import { type Mirrored, writeWhole } from '@purlin/service'
import type { StoreEntry } from '@purlin/store'
import { z } from 'zod'

const FORMAT = 1
const GATHER_MS = 200

const file = z.object({
  format: z.literal(FORMAT),
  /** Of which store it is a copy. */
  source: z.string(),
  revision: z.number().int(),
  entries: z.array(
    z.object({
      key: z.string(),
      value: z.unknown(),
      revision: z.number().int(),
      createdRevision: z.number().int(),
      version: z.number().int(),
    }),
  ),
})

/** The resources as they were last known, on this host's disk: what an agent goes by that starts
 *  while the fleet's store is away. */
export class ResourceCache {
  readonly #file: string
  readonly #source: string
  readonly #onLost: (thrown: unknown) => void
  #next: Mirrored | undefined
  #writing: Promise<void> | undefined

  constructor(path: string, source: string, onLost: (thrown: unknown) => void) {
    this.#file = path
    this.#source = source
    this.#onLost = onLost
  }

  /** What was kept of this very store; undefined where nothing readable is. */
  async read(): Promise<Mirrored | undefined> {
    try {
      const kept = file.parse(JSON.parse(await readFile(this.#file, 'utf8')))
      if (kept.source !== this.#source) return undefined
      const entries = new Map(kept.entries.map((entry) => [entry.key, entry as StoreEntry]))
      return { entries, revision: kept.revision }
    } catch {
      return undefined
    }
  }

  /** Keeps the newest state, whole, some time after it was told. */
  keep(mirrored: Mirrored): void {
    this.#next = mirrored
    this.#writing ??= this.#write()
  }

  /** Resolves when all that was told is on disk. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #write(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS))
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) {
      const { entries, revision } = next
      const kept = {
        format: FORMAT,
        source: this.#source,
        revision,
        entries: [...entries.values()],
      }
      await writeWhole(this.#file, JSON.stringify(kept)).catch(this.#onLost)
    }
    this.#writing = this.#next === undefined ? undefined : this.#write()
  }
}
