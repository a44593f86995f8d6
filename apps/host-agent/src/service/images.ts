import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/** What boots a machine: absolute paths and the kernel's command line. */
export interface Image {
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
}

const imageFile = z.object({
  kernel: z.string().min(1),
  initrd: z.string().min(1),
  cmdline: z.string(),
})

/** Reads the images of a folder: each a folder of its own with `image.json`, which names kernel and
 *  initrd beside it. A folder without a readable image.json is no image. */
export async function readImages(folder: string): Promise<ReadonlyMap<string, Image>> {
  const names = await readdir(folder).catch(() => [])
  const read = names.map(async (name): Promise<[string, Image] | undefined> => {
    try {
      const parsed = imageFile.parse(
        JSON.parse(await readFile(join(folder, name, 'image.json'), 'utf8')),
      )
      return [
        name,
        {
          kernel: join(folder, name, parsed.kernel),
          initrd: join(folder, name, parsed.initrd),
          commandLine: parsed.cmdline,
        },
      ]
    } catch {
      return undefined
    }
  })
  return new Map((await Promise.all(read)).filter((entry) => entry !== undefined))
}
