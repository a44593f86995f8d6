import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { severityCell, timeText } from '../output/words.ts'

/** `purlin alert` */
export function addAlert(program: Command, cli: Cli): void {
  program
    .command('alert')
    .description('what a person should know')
    .command('list')
    .description('alerts, raised and cleared')
    .action(async () => {
      const alerts = await cli.daemon.alerts()
      cli.print(alerts, () => ({
        columns: ['SEVERITY', 'CODE', 'SUBJECT', 'RAISED', 'CLEARED', 'MESSAGE'],
        rows: alerts.map(({ severity, code, subject, raisedAtMs, clearedAtMs, message }) => [
          severityCell(severity),
          code,
          `${subject.kind}/${subject.name}`,
          timeText(raisedAtMs),
          clearedAtMs === undefined ? '' : timeText(clearedAtMs),
          message,
        ]),
        empty: 'no alert',
      }))
    })
}
