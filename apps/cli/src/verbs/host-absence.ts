import type { Command } from 'commander'
import type { Cli } from '../cli.ts'

const FENCED_HELP = `
Say so only of a host that is off for certain: its plug is out, or its BMC says that its power is
off. Its machines may be started on other hosts from then on, and one that still ran there would run
twice, on the same disks. When such a host comes back, it ends what others have taken.`

/** `purlin host fenced`: what is done about a host that is not there. */
export function addHostAbsence(host: Command, cli: Cli): void {
  host
    .command('fenced')
    .description('say that a host is off for certain, so that its machines may start elsewhere')
    .argument('<name>')
    .addHelpText('after', FENCED_HELP)
    .action(async (name: string) => {
      const answer = await cli.client.fleet.fenceHost(name)
      cli.print(answer, () => answer.machines.map((machine) => `${machine}\n`).join(''))
      const { length } = answer.machines
      cli.say(`host ${name}: off; ${length === 1 ? '1 machine' : `${length} machines`} let go`)
    })
}
