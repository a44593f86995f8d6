import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RESOURCE_PREFIX } from '@purlin/service'
import type { Store } from '@purlin/store'
import type { Configuration } from '../config/config.ts'
import { MEMORY_FILE, type SnapshotRecord } from './record.ts'

const PREFIX = `${RESOURCE_PREFIX}MachineSnapshot/`

/** Where the memory of this host's machines is kept. */
export function memoryFolderOf({ state }: Pick<Configuration, 'state'>): string {
  return join(state.folder, 'machine-memory')
}

/** The files with the memory of machines. */
export interface MemoryFiles {
  /** Makes the folder. */
  prepare(): Promise<void>
  sizeOf(file: string): Promise<number>
  /** Takes away what is no snapshot's any more, as the store itself says: what is remembered of it
   *  may be older than a file. Errors: those of the store, after which all is still there. */
  tidy(): Promise<void>
}

/** The files in a folder. */
export function memoryFiles(folder: string, store: Pick<Store, 'list'>): MemoryFiles {
  return {
    prepare: async () => void (await mkdir(folder, { recursive: true, mode: 0o700 })),
    sizeOf: async (file) => (await stat(file)).size,
    tidy: async () => {
      const names = await readdir(folder).catch((): string[] => [])
      const found = names.filter((name) => name.endsWith(MEMORY_FILE))
      if (found.length === 0) return
      // Read after the folder, so that a file of a new snapshot has its record in here.
      const { entries } = await store.list(PREFIX)
      const kept = entries.map(({ value }) => (value as SnapshotRecord).uid)
      for (const name of found) {
        if (kept.some((uid) => name.endsWith(`.${uid}${MEMORY_FILE}`))) continue
        await rm(join(folder, name), { force: true })
      }
    },
  }
}
