import type { RunOutcome } from '@purlin/base'

/** A closed port of a machine that is reached answers a SYN with a reset; nothing else does. The
 *  shell asks, since a suite does so a hundred times and a shell is there at once. */
const REACH = `timeout "$2" bash -c 'exec 3<>"/dev/tcp/$1/9"' bash "$1" 2>&1 | grep -q refused`

/** Whether an address answers to whoever is at the place. */
export async function reachesFrom(
  { command }: { command(program: string, ...args: string[]): Promise<RunOutcome> },
  address: string,
  patienceMs = 2_500,
): Promise<boolean> {
  const words = ['LC_ALL=C', 'bash', '-c', REACH, 'bash', address, String(patienceMs / 1_000)]
  return (await command('env', ...words)).exitCode === 0
}
