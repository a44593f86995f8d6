import { LONGEST_GRACE_SECONDS, type MachineVerb } from '@purlin/schema'
import { type Command, InvalidArgumentError } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { positiveNumber, withWaitOptions } from '../options.ts'
import { addAdoption } from './adopt-machine.ts'
import { printTask } from './apply.ts'
import { addConsoles } from './console.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { addGuestAgent } from './guest-agent.ts'
import { listAllMachines } from './list-machines.ts'
import { addMachineSnapshot } from './machine-snapshot.ts'
import { addMachineTrash } from './machine-trash.ts'

const DEFAULT_EXEC_SECONDS = 60
const LONGEST_EXEC_SECONDS = 600

interface PowerFlags extends WaitOptions {
  readonly grace?: number
}

interface ExecFlags {
  readonly input?: true
  readonly timeout: number
}

/** `purlin vm` */
export function addVirtualMachine(program: Command, cli: Cli): void {
  const vm = program.command('vm').description('virtual machines')
  vm.command('list')
    .description('all machines')
    .option('--all', 'with the domains of libvirt that are not Purlin’s, which it never touches')
    .action(({ all }: { readonly all?: true }) =>
      all ? listAllMachines(cli) : printResources(cli, 'VirtualMachine', undefined),
    )
  vm.command('show')
    .description('one machine with its ports, conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'VirtualMachine', name))
  for (const verb of Object.keys(VERBS) as MachineVerb[]) {
    const command = vm.command(verb).description(VERBS[verb]).argument('<name>')
    if (verb === 'stop' || verb === 'reboot') {
      const description = 'how long the guest may take, 0 to 3600; 0: it is not asked'
      command.option('--grace <seconds>', description, graceSeconds)
    }
    withWaitOptions(command).action(async (name: string, options: PowerFlags) => {
      const { grace } = options
      const asked = await cli.client.virtualMachines[verb](name, {
        ...(grace !== undefined && { graceSeconds: grace }),
      })
      printTask(cli, await cli.finish(asked, options))
    })
  }
  addGuestAgent(vm, cli)
  addConsoles(vm, cli)
  addMachineSnapshot(vm, cli)
  addMachineTrash(vm, cli)
  addAdoption(vm, cli)
  vm.command('exec')
    .description('run a command in the guest; ends with the exit code of that command')
    .usage('[options] <name> -- <command...>')
    .argument('<name>')
    .argument('<command...>', 'the program and its arguments; no shell reads them')
    .option('-i, --input', 'hand standard input to the command')
    .option('--timeout <seconds>', 'how long it may take', execSeconds, DEFAULT_EXEC_SECONDS)
    .action((name: string, command: string[], flags: ExecFlags) => exec(cli, name, command, flags))
}

const VERBS: Readonly<Record<MachineVerb, string>> = {
  start: 'want the machine running',
  stop: 'want it stopped: its guest is asked, then its power is taken',
  destroy: 'want it stopped, and take its power at once',
  reboot: 'start its guest anew: it is asked, and reset when it does not listen',
  reset: 'reset it as by its button',
  pause: 'want it to stand still',
  resume: 'want it running again after a pause, a suspend or its own sleep',
  suspend: 'want it off with its memory on the disk of its host',
}

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

function graceSeconds(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) <= LONGEST_GRACE_SECONDS) return Number(text)
  throw new InvalidArgumentError(`must be a whole number from 0 to ${LONGEST_GRACE_SECONDS}.`)
}

function execSeconds(text: string): number {
  const seconds = positiveNumber(text)
  if (seconds > LONGEST_EXEC_SECONDS) {
    throw new InvalidArgumentError(`must be at most ${LONGEST_EXEC_SECONDS}.`)
  }
  return seconds
}
