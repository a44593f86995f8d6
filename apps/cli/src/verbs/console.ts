import { CONSOLE_TAIL_BYTES_MAX } from '@purlin/schema'
import type { ConsoleEnd } from '@purlin/sdk'
import { type Command, InvalidArgumentError } from 'commander'
import { attach } from '../attach.ts'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { serveOneViewer } from '../one-viewer.ts'
import { positiveNumber, wholeNumber } from '../options.ts'

interface ConsoleFlags {
  readonly force?: true
  readonly tail: number
  readonly escape: Escape
  readonly linger?: number
}

/** The key by which a person leaves, as it is written and as it comes. */
interface Escape {
  readonly text: string
  readonly byte: number
}

const ESCAPE: Escape = { text: '^]', byte: 0x1d }
const DEFAULT_TAIL_BYTES = 4_096
const PORT_MAX = 65_535

/** `purlin vm console` and `purlin vm vnc` */
export function addConsoles(vm: Command, cli: Cli): void {
  vm.command('console')
    .description('the serial console: a terminal of its own, or what is piped')
    .argument('<name>')
    .option('--force', 'send away who is at it')
    .option(
      '--tail <bytes>',
      'so much of what was written before comes first, 0 to 65536',
      tailBytes,
      DEFAULT_TAIL_BYTES,
    )
    .option('--escape <key>', 'the key that leaves it, such as ^] or ~ (default: ^])', escapeKey)
    .option(
      '--linger <seconds>',
      'leave it so long after the end of what is piped; absent: never',
      positiveNumber,
    )
    .action((name: string, flags: Partial<ConsoleFlags> & Pick<ConsoleFlags, 'tail'>) =>
      console(cli, name, { escape: ESCAPE, ...flags }),
    )
  vm.command('vnc')
    .description('the screen, for one viewer of VNC on a port of 127.0.0.1')
    .argument('<name>')
    .option('--port <port>', 'the port; absent: a free one', portNumber, 0)
    .action((name: string, { port }: { readonly port: number }) => screen(cli, name, port))
}

async function console(cli: Cli, name: string, flags: ConsoleFlags): Promise<void> {
  const { terminal, signal, clock } = cli.streams
  const { force, tail, escape: key, linger } = flags
  const opened = await cli.client.virtualMachines.console(name, {
    ...{ tailBytes: tail, signal },
    ...(force && { force }),
  })
  if (terminal.isTerminal) cli.say(`serial console of ${name}; ${key.text} leaves it\r`)
  const lingerMs = linger === undefined ? undefined : linger * 1_000
  tellEnd(
    cli,
    `console of ${name}`,
    await attach(opened, terminal, { clock, lingerMs, escape: key.byte }),
  )
}

async function screen(cli: Cli, name: string, port: number): Promise<void> {
  const { signal } = cli.streams
  const opened = await cli.client.virtualMachines.screen(name, { signal })
  const end = await serveOneViewer(opened, {
    ...{ port, signal },
    onListening: (at) => cli.print({ address: '127.0.0.1', port: at }, () => `127.0.0.1:${at}\n`),
  })
  tellEnd(cli, `screen of ${name}`, end)
}

/** Leaving is no failure; being left is one. */
function tellEnd(cli: Cli, what: string, { why, message }: ConsoleEnd): void {
  if (cli.streams.signal.aborted) cli.exitCode = exitCodes.interrupted
  else if (why !== 'ended-here') throw new CommandFailure(`${what} ended: ${message}`)
}

function tailBytes(text: string): number {
  const bytes = wholeNumber(text)
  if (bytes <= CONSOLE_TAIL_BYTES_MAX) return bytes
  throw new InvalidArgumentError(`must be at most ${CONSOLE_TAIL_BYTES_MAX}.`)
}

function portNumber(text: string): number {
  const port = wholeNumber(text)
  if (port <= PORT_MAX) return port
  throw new InvalidArgumentError(`must be at most ${PORT_MAX}.`)
}

function escapeKey(text: string): Escape {
  if (/^\^[@-_a-z]$/.test(text)) return { text, byte: text.charCodeAt(1) & 0x1f }
  if (/^[!-~]$/.test(text)) return { text, byte: text.charCodeAt(0) }
  throw new InvalidArgumentError('must be one key, such as ^] or ~.')
}
