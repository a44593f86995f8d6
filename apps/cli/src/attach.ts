import { once } from 'node:events'
import type { Clock } from '@purlin/base'
import type { ConsoleEnd, MachineConsole } from '@purlin/sdk'
import type { Terminal } from './streams.ts'

export interface AttachOptions {
  readonly clock: Clock
  /** The byte by which a person leaves; input that is piped has none. */
  readonly escape: number
  /** After the end of what is piped, the console is left after this; absent: it is not. */
  readonly lingerMs?: number | undefined
}

/** What a guest may have switched on in a terminal and nobody would switch off: colours, the second
 *  screen, reports of the mouse and of pasted text, a hidden cursor.
 *  Source: xterm, "Control Sequences". */
const TIDY = '\x1b[0m\x1b[?1049l\x1b[?1000;1002;1003;1006;2004l\x1b[?25h\r\n'

/** Joins a terminal, or what is piped, to a console until one of them ends. */
export async function attach(
  console: MachineConsole,
  terminal: Terminal,
  options: AttachOptions,
): Promise<ConsoleEnd> {
  const { input, output, isTerminal } = terminal
  const over = new AbortController()
  const linger = async (lingerMs: number): Promise<void> => {
    await options.clock.sleep(lingerMs, over.signal)
    console.end()
  }
  const onKeys = (keys: Buffer): void => {
    const at = isTerminal ? keys.indexOf(options.escape) : -1
    const meant = at === -1 ? keys : keys.subarray(0, at)
    if (meant.length > 0 && !console.write(meant)) {
      input.pause()
      console.once('drain', () => input.resume())
    }
    if (at !== -1) console.end()
  }
  const onInputEnd = (): void => {
    if (isTerminal) console.end()
    else if (options.lingerMs !== undefined) linger(options.lingerMs).catch(() => undefined)
  }
  if (isTerminal) terminal.setRaw(true)
  input.on('data', onKeys)
  input.once('end', onInputEnd)
  console.pipe(output, { end: false })
  try {
    const [end] = await Promise.all([console.ended, shown(console)])
    return end
  } finally {
    over.abort()
    input.off('data', onKeys)
    input.off('end', onInputEnd)
    input.pause()
    if (isTerminal) {
      terminal.setRaw(false)
      output.write(TIDY)
    }
  }
}

/** Resolves when all that came was handed to who shows it. */
async function shown(console: MachineConsole): Promise<void> {
  if (console.readableEnded || console.destroyed) return
  await Promise.race([once(console, 'end'), once(console, 'close')])
}
