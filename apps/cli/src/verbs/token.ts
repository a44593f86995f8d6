import type { Role } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { timeText } from '../output/words.ts'

/** `purlin token` */
export function addToken(program: Command, cli: Cli): void {
  const token = program.command('token').description('tokens for the TCP address of the agent')
  token
    .command('create')
    .description('make a token and print it, this once')
    .argument('<name>')
    .addOption(
      new Option('--role <role>').choices(['admin', 'operator', 'viewer']).default('operator'),
    )
    .action(async (name: string, { role }: { role: Role }) => {
      const made = await cli.daemon.tokens.create({ name, role })
      // Standard output holds the token alone, so that it can go straight into a file.
      cli.print(made, () => `${made.token}\n`)
      cli.say(`token ${name} (${role}): it is not shown again`)
    })
  token
    .command('list')
    .description('names and roles of the tokens')
    .action(async () => {
      const tokens = await cli.daemon.tokens.list()
      cli.print(tokens, () => ({
        columns: ['NAME', 'ROLE', 'CREATED'],
        rows: tokens.map(({ name, role, createdAtMs }) => [name, role, timeText(createdAtMs)]),
        empty: 'no token',
      }))
    })
  token
    .command('delete')
    .description('withdraw a token')
    .argument('<name>')
    .action(async (name: string) => {
      await cli.daemon.tokens.delete(name)
      cli.say(`token ${name}: withdrawn`)
    })
}
