import type { BootAnswer } from '@purlin/schema'
import type { PowerAction } from '@purlin/sdk'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../../cli.ts'
import { CommandFailure, exitCodes } from '../../exit-codes.ts'
import { positiveNumber, withWaitOptions } from '../../options.ts'
import { oneLine } from '../../output/table.ts'
import { timeText } from '../../output/words.ts'
import { printTask } from '../apply.ts'

const ACTIONS: readonly PowerAction[] = ['on', 'off', 'soft', 'cycle', 'reset']
const DEVICES = ['pxe', 'disk', 'cdrom', 'setup'] as const
const SECOND_MS = 1_000

interface PowerFlags extends WaitOptions {
  readonly deadline?: number
  readonly otherwise?: 'off' | 'fail'
}

/** What the BMC of a chassis is asked and told. */
export function addChassisBmc(chassis: Command, cli: Cli): void {
  withWaitOptions(
    chassis
      .command('power')
      .description('whether it is on; or switch it: on, off, soft, cycle, reset')
      .argument('<name>')
      .argument('[action]', ACTIONS.join(', '))
      .option('--deadline <seconds>', 'soft: how long its system has', positiveNumber)
      .addOption(new Option('--otherwise <what>', 'soft: what then').choices(['off', 'fail'])),
  ).action((name: string, action: string | undefined, flags: PowerFlags) =>
    power(cli, name, action, flags),
  )
  chassis
    .command('boot')
    .description('what it starts from; or set it: pxe, disk, cdrom, setup; or clear')
    .argument('<name>')
    .argument('[device]', [...DEVICES, 'clear'].join(', '))
    .option('--lasting', 'for every start from now on, not the next alone')
    .action((name: string, device: string | undefined, { lasting }: { lasting?: boolean }) =>
      boot(cli, name, device, lasting === true),
    )
  chassis
    .command('sensors')
    .description('temperatures, fans, voltages; exit code 1 where one is critical')
    .argument('<name>')
    .action((name: string) => sensors(cli, name))
  chassis
    .command('log')
    .description('the event log of its BMC, oldest first')
    .argument('<name>')
    .option('--clear', 'empty it')
    .action((name: string, { clear }: { clear?: boolean }) => log(cli, name, clear === true))
  chassis
    .command('units')
    .description('its field-replaceable units')
    .argument('<name>')
    .action(async (name: string) => {
      const units = await cli.metal.chassis.fieldUnits(name)
      cli.print(units, () => ({
        columns: ['UNIT', 'FIELD', 'VALUE'],
        rows: units.flatMap((unit) =>
          unit.fields.map((field) => [unit.name, field.name, field.value]),
        ),
        empty: 'the BMC names no unit',
      }))
    })
  chassis
    .command('hardware')
    .description('what its BMC knows of its hardware')
    .argument('<name>')
    .action(async (name: string) => {
      const found = await cli.metal.chassis.hardware(name)
      cli.print(found, () => fieldsTable(Object.entries(found)))
    })
  chassis
    .command('identity')
    .description('every reading of its system UUID, and its serial numbers')
    .argument('<name>')
    .action(async (name: string) => {
      const found = await cli.metal.chassis.identity(name)
      cli.print(found, () =>
        fieldsTable([
          ...found.uuids.map((uuid): [string, string] => ['uuid', uuid]),
          ...found.serials.map((serial): [string, string] => ['serial', serial]),
        ]),
      )
    })
  chassis
    .command('console')
    .description('its serial console, as it comes; notes go to standard error')
    .argument('<name>')
    .addOption(new Option('--follow', 'go on as it comes').default(true))
    .option('--no-follow', 'end behind what was recorded')
    .option('--no-tail', 'nothing of what was recorded before')
    .action((name: string, flags: { follow: boolean; tail: boolean }) => console(cli, name, flags))
}

async function power(
  cli: Cli,
  name: string,
  action: string | undefined,
  flags: PowerFlags,
): Promise<void> {
  if (action === undefined || action === 'status') {
    const answer = await cli.metal.chassis.power(name)
    cli.print(answer, () => `${answer.power}\n`)
    return
  }
  const wanted = ACTIONS.find((one) => one === action)
  if (wanted === undefined) {
    throw new CommandFailure(`power is ${ACTIONS.join(', ')}, not ${action}`, exitCodes.usage)
  }
  const { deadline, otherwise } = flags
  if (wanted !== 'soft' && (deadline !== undefined || otherwise !== undefined)) {
    throw new CommandFailure('--deadline and --otherwise go with soft', exitCodes.usage)
  }
  const handle = await cli.metal.chassis.setPower(name, wanted, {
    ...(deadline !== undefined && { deadlineMs: Math.round(deadline * SECOND_MS) }),
    ...(otherwise !== undefined && { otherwise }),
  })
  printTask(cli, await cli.finish(handle, flags))
}

async function boot(
  cli: Cli,
  name: string,
  word: string | undefined,
  lasting: boolean,
): Promise<void> {
  const { chassis } = cli.metal
  const print = (answer: BootAnswer): void => cli.print(answer, () => `${bootText(answer)}\n`)
  if (word === undefined) return print(await chassis.boot(name))
  if (word === 'clear') return print(await chassis.clearBoot(name))
  const device = DEVICES.find((one) => one === word)
  if (device === undefined) {
    const known = [...DEVICES, 'clear'].join(', ')
    throw new CommandFailure(`a boot device is ${known}, not ${word}`, exitCodes.usage)
  }
  print(await chassis.setBoot(name, { device, lasting }))
}

function bootText({ device, lasting, firmware }: BootAnswer): string {
  if (device === 'none') return "the firmware's own order"
  return [device, lasting ? 'always' : 'once', ...(firmware ? [firmware] : [])].join(', ')
}

async function sensors(cli: Cli, name: string): Promise<void> {
  const found = await cli.metal.chassis.sensors(name)
  const isCritical = (status: string): boolean => /^(cr|nr|critical)$/i.test(status)
  cli.print(found, () => ({
    columns: ['SENSOR', 'READING', 'UNIT', 'STATUS', 'CRITICAL'],
    rows: found.map(({ name: sensor, reading, unit, status, lowerCritical, upperCritical }) => [
      sensor,
      reading === undefined ? '' : String(reading),
      unit,
      isCritical(status) ? { text: status, tone: 'bad' } : status,
      [lowerCritical, upperCritical].some((bound) => bound !== undefined)
        ? `${lowerCritical ?? ''}..${upperCritical ?? ''}`
        : '',
    ]),
    empty: 'the BMC has no sensor',
  }))
  if (found.some(({ status }) => isCritical(status))) cli.exitCode = exitCodes.failed
}

async function log(cli: Cli, name: string, clear: boolean): Promise<void> {
  if (clear) {
    await cli.metal.chassis.clearEventLog(name)
    cli.say(`${name}: its event log is empty`)
    return
  }
  const found = await cli.metal.chassis.eventLog(name)
  cli.print(found, () => ({
    columns: ['ID', 'TIME', 'SENSOR', 'EVENT'],
    rows: found.map(({ id, atMs, sensor, text }) => [
      id,
      atMs === undefined ? '' : timeText(atMs),
      sensor,
      text,
    ]),
    empty: 'the event log is empty',
  }))
}

/** Output goes on as it came, so that a terminal shows what a serial line would; as JSON an event
 *  a line. */
async function console(
  cli: Cli,
  name: string,
  { follow, tail }: { readonly follow: boolean; readonly tail: boolean },
): Promise<void> {
  const { signal, stdout } = cli.streams
  const decoder = new TextDecoder()
  const options = { follow, signal, ...(!tail && { tailBytes: 0 }) }
  for await (const event of cli.metal.chassis.console(name, options)) {
    if (cli.output === 'json') {
      const text = event.kind === 'output' ? { text: decoder.decode(event.bytes) } : {}
      const { bytes: _bytes, ...rest } = { bytes: undefined, ...event }
      stdout.write(`${JSON.stringify({ ...rest, ...text })}\n`)
    } else if (event.kind === 'output') {
      stdout.write(decoder.decode(event.bytes, { stream: true }))
    } else if (event.kind === 'skipped') {
      cli.say(`[${event.bytes} bytes were lost: this reader was too slow]`)
    } else {
      const reason = event.kind === 'ended' ? `: ${oneLine(event.reason)}` : ''
      cli.say(`[console ${event.kind} ${timeText(event.atMs)}${reason}]`)
    }
    await stdout.drained()
  }
}

function fieldsTable(entries: readonly (readonly [string, unknown])[]) {
  return {
    columns: ['FIELD', 'VALUE'],
    rows: entries.map(([field, value]) => [field, String(value)]),
    empty: 'the BMC says nothing',
  }
}
