import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Runs `work` with the path of a file that holds the password, of mode 0600 in a folder of mode
 *  0700 below `folder`; both are removed however `work` ends. `folder` should be of memory. */
export async function withPasswordFile<Value>(
  folder: string,
  password: string,
  work: (file: string) => Promise<Value>,
): Promise<Value> {
  const own = await mkdtemp(join(folder, 'bmc-'))
  try {
    const file = join(own, 'password')
    await writeFile(file, password, { mode: 0o600, flag: 'wx' })
    return await work(file)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}
