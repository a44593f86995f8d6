import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { type Clock, PurlinError } from '@purlin/base'

/** A process as nothing else can be it: the kernel gives its number to another one later, but never
 *  with the same start. */
export interface ProcessIdentity {
  readonly processId: number
  /** Clock ticks between the kernel's start and the process's (proc(5), field 22 of stat). */
  readonly startTicks: string
}

export type ProcessState = 'running' | 'stopped' | 'gone'

/** The seam to processes that outlive this one. Starts `program` in a session of its own, its
 *  output appended to `logFile`, and returns at once. Errors: PUR_EXEC_NOT_FOUND. */
export type Launch = (program: string, args: readonly string[], logFile: string) => ProcessIdentity

/** The machine's own launcher. The environment is kept small: a service must not hold the agent's
 *  sockets or its notification address. */
export const launch: Launch = (program, args, logFile) => {
  const log = openSync(logFile, 'a', 0o640)
  try {
    const child = spawn(program, [...args], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    })
    child.on('error', () => {})
    child.unref()
    const stat = child.pid === undefined ? undefined : statOf(child.pid)
    if (child.pid === undefined || stat === undefined) {
      throw new PurlinError('PUR_EXEC_NOT_FOUND', {
        message: `${program}: not found; install the package that carries it`,
        context: { program },
      })
    }
    return { processId: child.pid, startTicks: stat.startTicks }
  } finally {
    closeSync(log)
  }
}

/** Whether the process lives. A zombie is gone: it only waits for its parent. */
export function stateOf(identity: ProcessIdentity | undefined): ProcessState {
  if (identity === undefined) return 'gone'
  const stat = statOf(identity.processId)
  if (stat === undefined || stat.startTicks !== identity.startTicks) return 'gone'
  if (stat.state === 'Z' || stat.state === 'X') return 'gone'
  return stat.state === 'T' ? 'stopped' : 'running'
}

/** Sends a signal when the process is still the same one; tells whether it was. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (stateOf(identity) === 'gone') return false
  try {
    process.kill(identity.processId, signal)
    return true
  } catch {
    return false
  }
}

/** Identity of a process that runs now. */
export function identityOf(processId: number): ProcessIdentity | undefined {
  const stat = statOf(processId)
  return stat && { processId, startTicks: stat.startTicks }
}

/** The network namespace of a process, as the kernel names it: `net:[4026531840]`. */
export async function namespaceOf(processId: number | 'self'): Promise<string | undefined> {
  return await readlink(`/proc/${processId}/ns/net`).catch(() => undefined)
}

/** Whether a process is in a network namespace other than ours: a holder that was never moved must
 *  not be given addresses. */
export async function isApart(processId: number): Promise<boolean> {
  const [theirs, ours] = await Promise.all([namespaceOf(processId), namespaceOf('self')])
  return theirs !== undefined && theirs !== ours
}

/** Ends every process of a network namespace but `spared`: TERM, and KILL for those that stay.
 *  Going by the namespace finds also what was started and never written down. Errors:
 *  PUR_DHCP_FAILED when one survives. */
export async function endNamespace(
  namespace: string,
  clock: Clock,
  spared?: number,
): Promise<void> {
  for (const { signal, patienceMs } of [
    { signal: 'SIGCONT', patienceMs: 0 },
    { signal: 'SIGTERM', patienceMs: 1_000 },
    { signal: 'SIGKILL', patienceMs: 2_000 },
  ] as const) {
    const members = await membersOf(namespace, spared)
    for (const member of members) signalProcess(member, signal)
    const endMs = clock.monotonicMs() + patienceMs
    while (clock.monotonicMs() < endMs) {
      if (members.every((member) => stateOf(member) === 'gone')) break
      await clock.sleep(10)
    }
  }
  const left = await membersOf(namespace, spared)
  if (left.length > 0) {
    throw new PurlinError('PUR_DHCP_FAILED', {
      message: `processes ${left.map((member) => member.processId).join(', ')} of ${namespace} do not end, not even by SIGKILL`,
    })
  }
}

/** A process that was written down, with what it was started or configured as. */
export interface WrittenIdentity extends ProcessIdentity {
  readonly fingerprint: string
  /** Another one each time that it was configured. */
  readonly stamp: string
}

/** Reads an identity file; undefined where there is none or it was torn. */
export async function readIdentity(file: string): Promise<WrittenIdentity | undefined> {
  try {
    const { processId, startTicks, fingerprint, nonce } = JSON.parse(await readFile(file, 'utf8'))
    if (typeof processId !== 'number' || typeof startTicks !== 'string') return undefined
    const stamp = `${processId} ${startTicks} ${nonce ?? ''}`
    return { processId, startTicks, fingerprint: String(fingerprint), stamp }
  } catch {
    return undefined
  }
}

async function membersOf(
  namespace: string,
  spared: number | undefined,
): Promise<readonly ProcessIdentity[]> {
  const members: ProcessIdentity[] = []
  for (const entry of await readdir('/proc')) {
    const processId = Number(entry)
    if (!Number.isInteger(processId) || processId === spared) continue
    if ((await namespaceOf(processId)) !== namespace) continue
    const identity = identityOf(processId)
    if (identity !== undefined && stateOf(identity) !== 'gone') members.push(identity)
  }
  return members
}

function statOf(
  processId: number,
): { readonly state: string; readonly startTicks: string } | undefined {
  try {
    // The second field is the program's name in parentheses and may hold anything.
    const text = readFileSync(`/proc/${processId}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', startTicks = ''] = [fields[0], fields[19]]
    return { state, startTicks }
  } catch {
    return undefined
  }
}
