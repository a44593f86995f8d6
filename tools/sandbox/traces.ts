import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { run } from '@purlin/base'
import { NFT } from './nft.ts'
import { STATE_FOLDER_PREFIX } from './state-folder.ts'

/** What a sandbox could leave on the machine, by sort, as this process's namespaces show it. */
export type Traces = Readonly<Record<string, readonly string[]>>

const CGROUP_DEPTH_MAX = 6

/** Looks at everything a sandbox could leave: network namespaces, links, rules, mounts, cgroups,
 *  shared memory, /run, state folders, and processes whose command line names one. */
export async function findTraces(): Promise<Traces> {
  const lines = async (program: string, ...args: string[]): Promise<string[]> => {
    const { stdout } = await run(program, args, { timeoutMs: 10_000, acceptedExitCodes: [1] })
    return stdout.split('\n').filter((line) => line !== '')
  }
  const names = async (folder: string): Promise<string[]> => await readdir(folder).catch(() => [])
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  return {
    networkNamespaces: await lines('ip', 'netns'),
    links: (await lines('ip', '-brief', 'link')).map((line) => line.split(/[ @]/)[0] ?? ''),
    tables: await lines(NFT, 'list', 'tables'),
    mounts: mounts.split('\n').map((line) => line.split(' ')[1] ?? ''),
    cgroups: await foldersBelow('/sys/fs/cgroup', CGROUP_DEPTH_MAX),
    sharedMemory: await names('/dev/shm'),
    run: await names('/run'),
    libvirt: (await Promise.all(['/etc', '/var/lib', '/var/cache', '/var/log'].map(names)))
      .flat()
      .filter((name) => /libvirt|openvswitch|purlin/.test(name)),
    stateFolders: (await names(dirname(STATE_FOLDER_PREFIX))).filter((name) =>
      name.startsWith(basename(STATE_FOLDER_PREFIX)),
    ),
    processes: await processesNaming(STATE_FOLDER_PREFIX),
  }
}

/** What `after` has and `before` had not; empty when nothing was left. Pure. */
export function newTraces(before: Traces, after: Traces): Traces {
  const entries = Object.entries(after).map(([sort, found]): [string, string[]] => {
    const known = new Set(before[sort])
    return [sort, found.filter((one) => !known.has(one))]
  })
  return Object.fromEntries(entries.filter(([, found]) => found.length > 0))
}

async function foldersBelow(folder: string, depth: number): Promise<string[]> {
  if (depth === 0) return []
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const folders = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`)
  const below = await Promise.all(folders.map((each) => foldersBelow(each, depth - 1)))
  return [...folders, ...below.flat()].toSorted()
}

/** Processes whose command line names a path below `prefix`: `PID COMMAND`. */
async function processesNaming(prefix: string): Promise<string[]> {
  const found: string[] = []
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')
    if (commandLine.includes(prefix)) found.push(`${id} ${commandLine.replaceAll('\0', ' ')}`)
  }
  return found
}
