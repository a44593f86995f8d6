import { join } from 'node:path'

/** The root of the clone. */
export const repository = join(import.meta.dirname, '..')

/** What the clone keeps between runs: images, built parts, the note of the sandbox that is up. */
export const cacheFolder = join(repository, '.purlin')
