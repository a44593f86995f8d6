import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { timeText } from '../output/words.ts'

interface MoveOptions {
  readonly to: 'etcd'
  readonly endpoint: string[]
  readonly prefix: string
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

/** `purlin store` */
export function addStore(program: Command, cli: Cli): void {
  const store = program.command('store').description('where the desired state is kept')
  store
    .command('show')
    .description('which store the agent uses, and whether it answers')
    .action(async () => {
      const { store: found } = await cli.client.health()
      cli.print(found ?? {}, () => ({
        columns: ['ENGINE', 'STATE', 'REVISION', 'SINCE'],
        rows: found
          ? [
              [
                found.engine,
                { text: found.state, tone: found.state === 'ok' ? 'good' : 'bad' },
                String(found.revision),
                found.sinceMs === undefined ? '' : timeText(found.sinceMs),
              ],
            ]
          : [],
        empty: 'the agent does not say',
      }))
      if (found?.found !== undefined) cli.say(found.found)
    })
  store
    .command('move')
    .description('move the state of this host from its file into etcd; the file is kept')
    .addOption(new Option('--to <store>').choices(['etcd']).makeOptionMandatory())
    .requiredOption('--endpoint <url...>', 'https://HOST:PORT of each member')
    .option('--prefix <prefix>', 'what all keys begin with', '/purlin')
    .option('--ca <file>', 'who signed the members; absent: the fleet’s authority')
    .option('--certificate <file>', 'what etcd knows this host by; absent: its own of the fleet')
    .option('--key <file>', 'the key of that certificate')
    .action(async ({ endpoint, prefix, ...files }: MoveOptions) => {
      const moved = await cli.client.fleet.moveStore({
        endpoints: endpoint,
        prefix,
        ...path('ca', files.ca),
        ...path('certificate', files.certificate),
        ...path('key', files.key),
      })
      cli.print(moved, () => `${moved.entries} entries are in etcd; the file is ${moved.kept}\n`)
    })
}

/** A file as the agent, which stands elsewhere, finds it. */
function path(name: string, file: string | undefined): Readonly<Record<string, string>> {
  return file === undefined ? {} : { [name]: resolve(file) }
}
