import { readdir, readFile } from 'node:fs/promises'

/** What a process and all it started use now. */
export interface TreeUse {
  /** User and system time of the living processes, and of those that ended and were waited for. */
  readonly cpuMs: number
  readonly residentMiB: number
}

/** The kernel counts process times in ticks of this length on every machine Linux runs on
 *  (USER_HZ). */
const TICK_MS = 10
const KIB_A_MIB = 1024

/** Looks at a process and its descendants (proc(5)). A process that ends meanwhile counts as
 *  nothing. */
export async function useOfTree(root: number): Promise<TreeUse> {
  const processes = await readProcesses()
  const tree = new Set([root])
  // A child's number may be lower than its parent's once numbers have been round, so go on until
  // nothing is new.
  for (let grown = true; grown; ) {
    const found = processes.filter(({ id, parent }) => tree.has(parent) && !tree.has(id))
    for (const { id } of found) tree.add(id)
    grown = found.length > 0
  }
  const members = processes.filter(({ id }) => tree.has(id))
  const resident = await Promise.all(members.map(({ id }) => residentMiB(id)))
  return {
    cpuMs: members.reduce((sum, { ticks }) => sum + ticks, 0) * TICK_MS,
    residentMiB: resident.reduce((sum, value) => sum + value, 0),
  }
}

interface Process {
  readonly id: number
  readonly parent: number
  readonly ticks: number
}

async function readProcesses(): Promise<readonly Process[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = ids.map(async (id): Promise<Process[]> => {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')
    // The program's name may hold blanks and brackets, so fields are counted behind its last
    // bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields.length < 16) return []
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number)
    const ticks = user + system + childUser + childSystem
    return [{ id: Number(id), parent: Number(fields[1]), ticks }]
  })
  return (await Promise.all(read)).flat()
}

/** Memory of one process without what it started: a child that was forked and has not yet become
 *  its program counts all its parent's pages as its own. */
export async function residentMiB(id: number): Promise<number> {
  const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / KIB_A_MIB
}
