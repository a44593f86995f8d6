import { open, rename } from 'node:fs/promises'

/** Writes a file whole or not at all: beside it, to disk, then in its place. Mode 0600. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const beside = `${file}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, file)
}
