import { type Command, InvalidArgumentError } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { positiveNumber, withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'

const DEFAULT_EXEC_SECONDS = 60
const LONGEST_EXEC_SECONDS = 600

interface ExecFlags {
  readonly input?: true
  readonly timeout: number
}

/** `purlin vm` */
export function addVirtualMachine(program: Command, cli: Cli): void {
  const vm = program.command('vm').description('virtual machines')
  vm.command('list')
    .description('all machines')
    .action(() => printResources(cli, 'VirtualMachine', undefined))
  vm.command('show')
    .description('one machine with its ports, conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'VirtualMachine', name))
  for (const verb of ['start', 'stop'] as const) {
    withWaitOptions(
      vm.command(verb).description(`want the machine ${STATES[verb]}`).argument('<name>'),
    ).action(async (name: string, options: WaitOptions) => {
      const handle = await cli.client.virtualMachines[verb](name)
      printTask(cli, await cli.finish(handle, options))
    })
  }
  vm.command('exec')
    .description('run a command in the guest; ends with the exit code of that command')
    .usage('[options] <name> -- <command...>')
    .argument('<name>')
    .argument('<command...>', 'the program and its arguments; no shell reads them')
    .option('-i, --input', 'hand standard input to the command')
    .option('--timeout <seconds>', 'how long it may take', execSeconds, DEFAULT_EXEC_SECONDS)
    .action((name: string, command: string[], flags: ExecFlags) => exec(cli, name, command, flags))
}

const STATES = { start: 'running', stop: 'stopped' } as const

async function exec(
  cli: Cli,
  name: string,
  command: readonly string[],
  { input, timeout }: ExecFlags,
): Promise<void> {
  const { stdout, stderr } = cli.streams
  const ended = await cli.client.virtualMachines.exec(name, command, {
    timeoutMs: Math.round(timeout * 1_000),
    ...(input && { input: await cli.streams.readStdin() }),
  })
  cli.exitCode = ended.exitCode
  if (cli.output !== 'table') {
    cli.print(ended, () => '')
    return
  }
  stdout.write(ended.stdout)
  stderr.write(ended.stderr)
}

function execSeconds(text: string): number {
  const seconds = positiveNumber(text)
  if (seconds > LONGEST_EXEC_SECONDS) {
    throw new InvalidArgumentError(`must be at most ${LONGEST_EXEC_SECONDS}.`)
  }
  return seconds
}
