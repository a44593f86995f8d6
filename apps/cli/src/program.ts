import { PurlinError, toPurlinError } from '@purlin/base'
import { Command, CommanderError, Option } from 'commander'
import { Cli, type GlobalOptions } from './cli.ts'
import { CommandFailure, exitCodeOf, exitCodes } from './exit-codes.ts'
import { ManifestRefused } from './manifest-file.ts'
import { oneLine } from './output/table.ts'
import type { Streams } from './streams.ts'
import { addAlert } from './verbs/alert.ts'
import { addApply } from './verbs/apply.ts'
import { addCache } from './verbs/cache.ts'
import { addDelete } from './verbs/delete.ts'
import { addDescribe } from './verbs/describe.ts'
import { addDisk } from './verbs/disk.ts'
import { addDoctor } from './verbs/doctor.ts'
import { addErasureCoding } from './verbs/ec.ts'
import { addEvents } from './verbs/events.ts'
import { addExplain } from './verbs/explain.ts'
import { addFleet } from './verbs/fleet.ts'
import { addGet } from './verbs/get.ts'
import { addHost } from './verbs/host.ts'
import { addPlan } from './verbs/plan.ts'
import { addPool } from './verbs/pool.ts'
import { addPort } from './verbs/port.ts'
import { addPortGroup } from './verbs/port-group.ts'
import { addRouter } from './verbs/router.ts'
import { addSecurityGroup } from './verbs/security-group.ts'
import { addSnapshot } from './verbs/snapshot.ts'
import { addState } from './verbs/state.ts'
import { addStore } from './verbs/store.ts'
import { addSwitch } from './verbs/switch.ts'
import { addTask } from './verbs/task.ts'
import { addToken } from './verbs/token.ts'
import { addTop } from './verbs/top.ts'
import { addVersion } from './verbs/version.ts'
import { addVirtualMachine } from './verbs/virtual-machine.ts'
import { addVolume } from './verbs/volume.ts'

const VERBS = [
  addApply,
  addPlan,
  addGet,
  addDescribe,
  addDelete,
  addEvents,
  addTask,
  addVirtualMachine,
  addSecurityGroup,
  addSwitch,
  addPortGroup,
  addPort,
  addTop,
  addRouter,
  addExplain,
  addDoctor,
  addAlert,
  addToken,
  addState,
  addStore,
  addHost,
  addFleet,
  addPool,
  addVolume,
  addSnapshot,
  addDisk,
  addErasureCoding,
  addCache,
  addVersion,
]

/** Runs the command with `args` (without the program's own name) and returns its exit code. Never
 *  throws. */
export async function main(args: readonly string[], streams: Streams): Promise<number> {
  const program = new Command('purlin')
  const cli = new Cli(streams, () => program.opts<GlobalOptions>())
  program
    .description('Turns Linux hosts into one virtual data centre.')
    .addOption(
      new Option('-o, --output <form>', 'form of the result')
        .choices(['table', 'json', 'yaml', 'svg'])
        .default('table'),
    )
    .option('--socket <path>', 'unix socket of the daemon (or PURLIN_SOCKET)')
    .option('--url <url>', 'address of the daemon (or PURLIN_URL)')
    .option('--token-file <file>', 'file with the token for --url (or PURLIN_TOKEN_FILE)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'purlin: ')),
    })
    .exitOverride()
  for (const add of VERBS) add(program, cli)
  try {
    await addBareMetal(program, cli, args)
    await program.parseAsync([...args], { from: 'user' })
    return cli.exitCode
  } catch (thrown) {
    return report(thrown, streams)
  } finally {
    await cli.close()
  }
}

/** `purlin bm`: filled only where it is asked for, because the others start without it. */
async function addBareMetal(program: Command, cli: Cli, args: readonly string[]): Promise<void> {
  const group = program
    .command('bm')
    .description('bare metal: chassis, templates, media, instances of a deployment network')
  if (!args.includes('bm')) return
  const { fillBareMetal } = await import('./verbs/bare-metal/bare-metal.ts')
  fillBareMetal(group, cli)
}

function report(thrown: unknown, { stderr, signal }: Streams): number {
  // Commander has already said what was wrong with the arguments.
  if (thrown instanceof CommanderError) {
    return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  if (thrown instanceof ManifestRefused) {
    for (const line of thrown.lines) stderr.write(`${line}\n`)
    stderr.write(`purlin: ${thrown.message} (PUR_INVALID)\n`)
    return exitCodes.refused
  }
  if (thrown instanceof CommandFailure) {
    stderr.write(`purlin: ${thrown.message}\n`)
    return thrown.exitCode
  }
  const error = toPurlinError(thrown)
  stderr.write(`purlin: ${oneLine(error.message)} (${error.code})\n`)
  if (signal.aborted && error.code === 'PUR_CANCELLED') return exitCodes.interrupted
  // The agent's own faults are in its log; a fault of this command has only this place.
  if (
    error.code === 'PUR_INTERNAL' &&
    !(thrown instanceof PurlinError) &&
    thrown instanceof Error
  ) {
    stderr.write(`${thrown.stack ?? ''}\n`)
  }
  return exitCodeOf(error)
}
