import { readFile } from 'node:fs/promises'
import type { ChassisLife, Task } from '@purlin/schema'
import type { ChassisCollection, TaskHandle } from '@purlin/sdk'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../../cli.ts'
import { CommandFailure, exitCodes } from '../../exit-codes.ts'
import {
  METAL_TIMEOUT_SECONDS,
  positiveNumber,
  wholeNumber,
  withWaitOptions,
} from '../../options.ts'
import { chassisPage, historyPage, historyTable } from '../../views/bare-metal/chassis-page.ts'
import { lifeText } from '../../views/bare-metal/life.ts'
import { printTask } from '../apply.ts'
import { printResources } from '../get.ts'
import { finishLife, LifeLine } from './life-progress.ts'

/** `purlin bm chassis`: what there is, and its life. */
export function addChassis(group: Command, cli: Cli): Command {
  const chassis = group.command('chassis').description('machines with a BMC, and their lives')
  chassis
    .command('list')
    .description('all chassis')
    .action(() => printResources(cli, 'Chassis', undefined))
  chassis
    .command('show')
    .description('where the life of a chassis stands, what it is, why it failed')
    .argument('<name>')
    .action((name: string) => show(cli, name))
  chassis
    .command('watch')
    .description('follow its life until nothing is under way; exit code 1 where it failed')
    .argument('<name>')
    .option('--timeout <seconds>', 'how long', positiveNumber, METAL_TIMEOUT_SECONDS)
    .action((name: string, { timeout }: { timeout: number }) => watchLife(cli, name, timeout))
  chassis
    .command('history')
    .description('the transitions of its life, oldest first')
    .argument('<name>')
    .option('--limit <count>', 'the newest so many', wholeNumber)
    .option('--console', 'with what the console said last in each state')
    .action(async (name: string, { limit, console }: { limit?: number; console?: boolean }) => {
      const options = { ...(limit !== undefined && { limit }) }
      const transitions = await cli.metal.chassis.history(name, options)
      cli.print(transitions, () =>
        console === true ? historyPage(transitions) : historyTable(transitions),
      )
    })
  chassis
    .command('maintenance')
    .description('while it is on, nothing is begun with the chassis')
    .argument('<name>')
    .argument('<on|off>')
    .option('--reason <text>', 'why, for others')
    .action(async (name: string, word: string, { reason }: { reason?: string }) => {
      const options = { ...(reason !== undefined && { reason }) }
      const life = await cli.metal.chassis.maintenance(name, isOn(word), options)
      cli.print(life, () => `${name}: ${sentenceOf(cli, life)}\n`)
    })
  const calls = (): ChassisCollection => cli.metal.chassis
  task('verify', 'ask its BMC anew who it is', (name) => calls().verify(name))
  task('discover', 'start the discovery system, which reports its hardware', (name) =>
    calls().discover(name),
  )
  task('cancel', 'give up what is under way with it', (name) => calls().cancel(name))
  task('retry', 'begin again with what failed', (name) => calls().retry(name))
  withWaitOptions(
    chassis
      .command('rescue')
      .description('start the rescue system, or leave it')
      .argument('<name>')
      .option('--key <file>', 'a public key that may log in as root; may be repeated', collect, [])
      .option('--end', 'leave the rescue system'),
    METAL_TIMEOUT_SECONDS,
  ).action(async (name: string, flags: RescueFlags) => {
    const handle = flags.end
      ? await calls().endRescue(name)
      : await calls().rescue(name, await keysIn(flags.key))
    await finish(cli, name, handle, flags)
  })
  return chassis

  function task(
    word: string,
    description: string,
    begin: (name: string) => Promise<TaskHandle>,
  ): void {
    const command = chassis.command(word).description(description).argument('<name>')
    withWaitOptions(command, METAL_TIMEOUT_SECONDS).action(
      async (name: string, options: WaitOptions) => {
        await finish(cli, name, await begin(name), options)
      },
    )
  }
}

interface RescueFlags extends WaitOptions {
  readonly key: readonly string[]
  readonly end?: boolean
}

async function finish(
  cli: Cli,
  name: string,
  handle: TaskHandle,
  options: WaitOptions,
): Promise<void> {
  const ended: Task = await finishLife(cli, name, handle, options)
  printTask(cli, ended)
}

async function show(cli: Cli, name: string): Promise<void> {
  const chassis = await cli.metal.chassis.get(name)
  cli.print(chassis, () => chassisPage(chassis, cli.streams.clock.nowMs(), cli.colours))
}

/** Follows a life to its rest; `purlin bm instance watch` is the same. */
export async function watchLife(cli: Cli, name: string, timeoutSeconds: number): Promise<void> {
  const { clock, signal, stderr } = cli.streams
  const line = new LifeLine(stderr, name)
  try {
    const chassis = await cli.metal.chassis.waitForRest(name, {
      signal,
      deadlineMs: timeoutSeconds * 1_000,
      onLife: (life) => line.show(life, clock.nowMs()),
    })
    line.clear()
    const { life } = chassis.status
    cli.print(life, () => `${name}: ${life === undefined ? 'unknown' : sentenceOf(cli, life)}\n`)
    if (life?.state === 'failed') cli.exitCode = exitCodes.failed
  } finally {
    line.clear()
  }
}

function sentenceOf(cli: Cli, life: ChassisLife): string {
  const text = lifeText(life, cli.streams.clock.nowMs())
  return life.maintenance ? `${text}, in maintenance` : text
}

function isOn(word: string): boolean {
  if (word === 'on' || word === 'off') return word === 'on'
  throw new CommandFailure(`maintenance is on or off, not ${word}`, exitCodes.usage)
}

async function keysIn(files: readonly string[]): Promise<readonly string[]> {
  if (files.length === 0) {
    throw new CommandFailure('give --key FILE: nobody could log in without one', exitCodes.usage)
  }
  const keys: string[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
      const found = thrown instanceof Error ? thrown.message : String(thrown)
      throw new CommandFailure(`${file}: cannot be read: ${found}`)
    })
    keys.push(...text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')))
  }
  return keys
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text]
}
