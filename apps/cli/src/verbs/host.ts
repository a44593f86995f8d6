import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { positiveNumber } from '../options.ts'
import { timeText } from '../output/words.ts'
import { hostTable } from '../views/host-table.ts'
import { addHostAbsence } from './host-absence.ts'
import { showHost } from './host-show.ts'

const JOIN_EXAMPLE = `
Example:
  on a host of the fleet:  purlin host token --host host-b > token
  on the host that joins:  purlin host join https://192.0.2.1:7443 --token token \\
                             --listen 192.0.2.2:7443`

/** `purlin host` */
export function addHost(program: Command, cli: Cli): void {
  const host = program.command('host').description('the hosts of the fleet')
  host
    .command('list')
    .description('every host, there or away, with what is used and promised of it')
    .action(async () => {
      const hosts = await cli.client.resources('Host').list()
      cli.print(hosts, () => hostTable(hosts, cli.streams.clock.nowMs()))
    })
  host
    .command('show')
    .description('one host: its NUMA nodes, disks, NICs, GPUs, PCI devices, and who has them')
    .argument('<name>')
    .action((name: string) => showHost(cli, name))
  host
    .command('token')
    .description('make a token by which one host may join, once, and print it')
    .option('--host <name>', 'the one host that may join by it')
    .option('--minutes <number>', 'how long it is good', positiveNumber, 60)
    .action(async ({ host: name, minutes }: { host?: string; minutes: number }) => {
      const made = await cli.client.fleet.token({ minutes, ...(name && { host: name }) })
      // Standard output holds the token alone, so that it can go straight into a file.
      cli.print(made, () => `${made.token}\n`)
      cli.say(`good for one host until ${timeText(made.expiresAtMs)}; it is not shown again`)
    })
  host
    .command('join')
    .description('make this host join the fleet of the host at <server>')
    .argument('<server>', 'https://ADDRESS:PORT of the host that made the fleet')
    .requiredOption('--token <file>', 'file with the token, - for standard input')
    .requiredOption('--listen <address:port>', 'where the other agents reach this one')
    .option('--discard', 'also where this host has resources of its own; they are left behind')
    .addHelpText('after', JOIN_EXAMPLE)
    .action(async (server: string, { token: file, listen, discard = false }: JoinOptions) => {
      const token = (await readToken(cli, file)).trim()
      const joined = await cli.client.fleet.join({ server, token, listen, discard })
      cli.print(joined, () => `${joined.host} has joined the fleet ${joined.fleet}\n`)
    })
  host
    .command('remove')
    .description('forget a host that is away; its certificate is not believed any more')
    .argument('<name>')
    .action(async (name: string) => {
      await cli.client.fleet.removeHost(name)
      cli.say(`host ${name}: removed`)
    })
  addHostAbsence(host, cli)
}

interface JoinOptions {
  readonly token: string
  readonly listen: string
  readonly discard?: boolean
}

async function readToken(cli: Cli, file: string): Promise<string> {
  if (file === '-') return await cli.streams.readStdin()
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`token file ${file}: ${found}`)
  }
}
