/** Inside a shell of its own, since a connection to nobody ends with its time. */
const ASK = `timeout 2.5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && head -n 1 <&3' "$0" "$1" 2>/dev/null || true`

/** The command that asks `peer.ts serve` at an address what it sees of the connection. A shell
 *  asks, since suites do so a hundred times and a shell is there at once. */
export function askingCommand(
  address: string,
  port: number,
): readonly [program: string, ...args: string[]] {
  return ['bash', '-c', ASK, address, String(port)]
}

/** What the other end saw, `FROM PORT TO PORT`, by what the command printed; null where nobody
 *  answered. */
export function answerOf(printed: string): readonly string[] | null {
  const line = printed.trim()
  return line === '' ? null : line.split(' ')
}
