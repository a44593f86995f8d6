import type { Command } from 'commander'
import type { Cli } from '../../cli.ts'
import { CommandFailure, exitCodes } from '../../exit-codes.ts'
import { wholeNumber } from '../../options.ts'
import { sizeText } from '../../output/byte-progress.ts'
import { timeText } from '../../output/words.ts'
import { changesTable, reportText } from '../../views/bare-metal/report.ts'

const MIB = 1024 * 1024

/** The discovery reports of a chassis. */
export function addChassisReport(chassis: Command, cli: Cli): void {
  chassis
    .command('report')
    .description('what it reported of its hardware; --all lists the reports that are kept')
    .argument('<name>')
    .argument('[number]', 'which report; the newest where it is absent')
    .option('--all', 'list the reports')
    .action((name: string, number: string | undefined, { all }: { all?: boolean }) =>
      all === true ? list(cli, name) : show(cli, name, number),
    )
  chassis
    .command('diff')
    .description('what differs between two reports; exit code 3 where anything does')
    .argument('<name>')
    .option('--from <number>', 'an older report; the one before where it is absent', wholeNumber)
    .option('--to <number>', 'the newest where it is absent', wholeNumber)
    .action(async (name: string, between: { from?: number; to?: number }) => {
      const changes = await cli.metal.chassis.reportChanges(name, between)
      cli.print(changes, () => changesTable(changes))
      if (changes.changes.length > 0) cli.exitCode = exitCodes.differs
    })
}

async function list(cli: Cli, name: string): Promise<void> {
  const reports = await cli.metal.chassis.reports(name)
  cli.print(reports, () => ({
    columns: ['NUMBER', 'TIME', 'MACHINE', 'SERIAL', 'THREADS', 'MEMORY', 'DISKS', 'NICS'],
    rows: reports.map((one) => [
      String(one.id),
      timeText(one.atMs),
      [one.manufacturer, one.product].filter((word) => word !== undefined).join(' '),
      one.serial ?? '',
      String(one.cpuThreads),
      sizeText(one.memoryMiB * MIB),
      `${one.disks} (${sizeText(one.diskBytes)})`,
      String(one.nics),
    ]),
    empty: `${name} has not reported yet: purlin bm chassis discover ${name}`,
  }))
}

async function show(cli: Cli, name: string, number: string | undefined): Promise<void> {
  if (number !== undefined && number !== 'latest' && !/^[1-9]\d{0,8}$/.test(number)) {
    throw new CommandFailure(`a report is a number or latest, not ${number}`, exitCodes.usage)
  }
  const id = number === undefined || number === 'latest' ? 'latest' : Number(number)
  const report = await cli.metal.chassis.report(name, id)
  cli.print(report, () => reportText(report, cli.colours))
}
