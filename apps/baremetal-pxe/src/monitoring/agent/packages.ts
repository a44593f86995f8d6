import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A package of the agent that instances fetch and install. */
export interface AgentPackage {
  readonly name: string
  readonly path: string
  readonly format: 'deb' | 'rpm'
  /** As `uname -m` says it. */
  readonly machine: 'x86_64' | 'aarch64'
}

const NAME = /^purlin-bm-agent[-_][0-9A-Za-z.+~-]{1,64}[._](amd64|arm64|x86_64|aarch64)\.(deb|rpm)$/
const MACHINES = {
  amd64: 'x86_64',
  x86_64: 'x86_64',
  arm64: 'aarch64',
  aarch64: 'aarch64',
} as const

/** The packages in the folders, for each format and machine the one of the last folder and, in it,
 *  of the last name. Folders that are not there hold none. Errors: those of the file system. */
export async function findPackages(folders: readonly string[]): Promise<readonly AgentPackage[]> {
  const found = new Map<string, AgentPackage>()
  for (const folder of folders) {
    for (const name of (await readdir(folder).catch(() => [])).toSorted()) {
      const [, machine, format] = NAME.exec(name) ?? []
      if (!isMachine(machine) || (format !== 'deb' && format !== 'rpm')) continue
      const path = join(folder, name)
      if (!(await stat(path)).isFile()) continue
      const of: AgentPackage = {
        name,
        path,
        format,
        machine: MACHINES[machine],
      }
      found.set(`${format} ${of.machine}`, of)
    }
  }
  return [...found.values()]
}

function isMachine(word: string | undefined): word is keyof typeof MACHINES {
  return word !== undefined && Object.hasOwn(MACHINES, word)
}

/** SHA-256 of a file, hexadecimal. Errors: those of the file system. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
