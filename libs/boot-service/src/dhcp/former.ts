import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Clock, PurlinError } from '@purlin/base'

const TERM_PATIENCE_MS = 1_000
const KILL_PATIENCE_MS = 2_000
const LOOK_MS = 20

/** The argument by which a dnsmasq of ours is known: no other process names our file. */
export function configurationArgument(file: string): string {
  return `--conf-file=${file}`
}

/** Ends every dnsmasq that was started with this configuration file: one that a killed daemon left
 *  behind. It is found by what the kernel says of each process, its program and its arguments, so
 *  no number in a file can name a stranger. Errors: PUR_BOOT_DHCP when one does not end. */
export async function endFormerDhcp(configurationFile: string, clock: Clock): Promise<number> {
  const former = await formerProcesses(configurationFile)
  for (const [signal, patienceMs] of [
    ['SIGTERM', TERM_PATIENCE_MS],
    ['SIGKILL', KILL_PATIENCE_MS],
  ] as const) {
    for (const processId of await formerProcesses(configurationFile)) sendSignal(processId, signal)
    const endMs = clock.monotonicMs() + patienceMs
    while (clock.monotonicMs() < endMs) {
      if ((await formerProcesses(configurationFile)).length === 0) return former.length
      await clock.sleep(LOOK_MS)
    }
  }
  throw new PurlinError('PUR_BOOT_DHCP', {
    message: `end the dnsmasq of a former daemon (process ${former.join(', ')}): it does not end, not even by SIGKILL`,
  })
}

async function formerProcesses(configurationFile: string): Promise<readonly number[]> {
  const wanted = configurationArgument(configurationFile)
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const text = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')
    if (!text.split('\0').includes(wanted)) continue
    // A zombie has no arguments, and a program that merely names the file is no dnsmasq.
    const program = await readlink(`/proc/${entry}/exe`).catch(() => '')
    if (basename(program).startsWith('dnsmasq')) found.push(Number(entry))
  }
  return found
}

function sendSignal(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal)
  } catch {
    // It ended in between.
  }
}
