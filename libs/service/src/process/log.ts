import { type Logger, pino } from 'pino'

/** Syslog priorities of pino's levels (RFC 5424); journald reads them as `<N>` before a line. */
const PRIORITY: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 }
const REDACTED = ['*.token', '*.password', '*.secret', 'req.headers.authorization']

/** Structured logs on standard output: one JSON object a line, with a priority for journald when it
 *  listens. */
export function openLog(level: string, journal: boolean): Logger {
  const options = { level, base: null, redact: REDACTED, timestamp: pino.stdTimeFunctions.isoTime }
  if (!journal) return pino(options)
  let last = 30
  const destination = {
    [Symbol.for('pino.metadata')]: true,
    set lastLevel(value: number) {
      last = value
    },
    write: (line: string) => void process.stdout.write(`<${PRIORITY[last] ?? 6}>${line}`),
  }
  return pino(options, destination)
}
