import { oneLine } from './line.ts'

/** The text as one word of a kickstart command. pykickstart splits commands as Python's shlex does
 *  (POSIX mode, comments on): nothing is special between single quotes. */
export function quoteKickstart(text: string): string {
  const plain = oneLine(text)
  return /^[A-Za-z0-9_./:=@+,-]+$/.test(plain) ? plain : `'${plain.replaceAll("'", `'"'"'`)}'`
}
