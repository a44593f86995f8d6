import { access, constants, readdir, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Run, run } from '@purlin/base'

/** Room on a file system, in bytes. */
export interface DiskRoom {
  readonly freeBytes: number
  readonly totalBytes: number
}

/** The seam to the host as the doctor reads it. Nothing here writes. */
export interface HostReader {
  readonly run: Run
  /** Text of a file, unpacked where its name ends in `.gz`; undefined where there is none. */
  readFile(path: string): Promise<string | undefined>
  /** Names in a folder; undefined where there is none. */
  listFolder(path: string): Promise<readonly string[] | undefined>
  /** Path of a program, in the search path or where administrators' programs are. */
  findProgram(name: string): Promise<string | undefined>
  diskRoom(folder: string): Promise<DiskRoom>
  /** `x64`, `arm64`, as Node names them. */
  readonly architecture: string
}

/** sbin is not in the search path of every user, but the agent runs as root and finds programs
 *  there. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** The host this process runs on. */
export const systemHostReader: HostReader = {
  run,
  architecture: process.arch,
  readFile: async (path) => {
    const bytes = await absentAsUndefined(readFile(path))
    if (bytes === undefined) return undefined
    const plain = path.endsWith('.gz') ? await promisify(gunzip)(bytes) : bytes
    return plain.toString('utf8')
  },
  listFolder: async (path) => await absentAsUndefined(readdir(path)),
  findProgram: async (name) => {
    const folders = [...(process.env.PATH ?? '').split(':'), ...MORE_FOLDERS]
    for (const folder of folders.filter((each) => each !== '')) {
      const path = join(folder, name)
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (found) return path
    }
    return undefined
  },
  diskRoom: async (folder) => {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  },
}

async function absentAsUndefined<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw thrown
  }
}
