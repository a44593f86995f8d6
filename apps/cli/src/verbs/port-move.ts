import type { PortMoveAnswer } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { wholeNumber } from '../options.ts'

interface MoveFlags {
  readonly to?: string
  readonly cancel: boolean
  readonly force: boolean
  readonly waitSeconds?: number
}

/** `purlin port move` */
export function addPortMove(group: Command, cli: Cli): void {
  group
    .command('move')
    .description('move a port, with its machine’s others, to another host')
    .argument('<name>', 'MACHINE.NIC')
    .option('--to <host>', 'the host that it goes to')
    .option('--wait-seconds <seconds>', 'how long the machine may take to leave', wholeNumber)
    .option('--force', 'also where its network does not reach the host', false)
    .option('--cancel', 'give a move up whose machine has not left', false)
    .action(async (name: string, { to, cancel, force, waitSeconds }: MoveFlags) => {
      if ((to === undefined) !== cancel) {
        throw new CommandFailure('name the host: --to HOST, or --cancel', exitCodes.usage)
      }
      const { network } = cli.client
      const answer =
        to === undefined
          ? await network.cancelPortMove(name)
          : await network.movePort(name, {
              host: to,
              force,
              ...(waitSeconds !== undefined && { waitSeconds }),
            })
      cli.print(answer, () => sentence(answer))
    })
}

function sentence({ virtualMachine, ports, move, warnings = [] }: PortMoveAnswer): string {
  const which = `${ports.join(', ')} of ${virtualMachine}`
  if (move === undefined) return `${which}: the move is given up\n`
  const way = `the machine may leave ${move.from} when it is prepared: purlin port show ${ports[0]}`
  const lines = [`${which}: ${move.phase} on ${move.to}; ${way}`, ...warnings]
  return `${lines.join('\n')}\n`
}
