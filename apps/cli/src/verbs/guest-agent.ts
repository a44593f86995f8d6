import { readFile, writeFile } from 'node:fs/promises'
import type { GuestInterfaces } from '@purlin/schema'
import { type Command, InvalidArgumentError } from 'commander'
import type { Cli } from '../cli.ts'
import type { Table } from '../output/table.ts'
import { timeText } from '../output/words.ts'

const FILE_BYTES_MAX = 8_388_608
const DEFAULT_HOLD_SECONDS = 10
const LONGEST_HOLD_SECONDS = 60

/** `purlin vm agent` */
export function addGuestAgent(vm: Command, cli: Cli): void {
  const agent = vm.command('agent').description('what the agent in a guest does')
  const guest = () => cli.client.virtualMachines.guest
  agent
    .command('interfaces')
    .description('interfaces and addresses as the guest has them')
    .argument('<name>')
    .action(async (name: string) => {
      const items = await guest().interfaces(name)
      cli.print({ items }, () => interfaceTable(items))
    })
  agent
    .command('read')
    .description('print a file of the guest, or copy it to a file here; at most 8 MiB')
    .argument('<name>')
    .argument('<path>', 'as the guest names it')
    .option('--to <file>', 'write it there, byte for byte')
    .action(async (name: string, path: string, { to }: { readonly to?: string }) => {
      const { content, complete } = await guest().readFile(name, path, { maxBytes: FILE_BYTES_MAX })
      if (to === undefined) cli.streams.stdout.write(Buffer.from(content).toString('utf8'))
      else await writeFile(to, content)
      if (!complete) cli.streams.stderr.write(`${path} is longer: these are its first 8 MiB\n`)
    })
  agent
    .command('write')
    .description('write a file of the guest from one here, or from standard input; at most 8 MiB')
    .argument('<name>')
    .argument('<path>', 'as the guest names it')
    .option('--from <file>', 'copy it from there, byte for byte')
    .option('--append', 'to the end of what is there')
    .action(async (name: string, path: string, { from, append }: WriteFlags) => {
      const text = async (): Promise<Buffer> => Buffer.from(await cli.streams.readStdin())
      const content = from === undefined ? await text() : await readFile(from)
      await guest().writeFile(name, path, content, { append: append === true })
      const written = { path, sizeBytes: content.length }
      cli.print(written, () => `${content.length} bytes are in ${path}\n`)
    })
  agent
    .command('freeze')
    .description('have the guest write out what it holds and take no writes, for a while')
    .argument('<name>')
    .option('--hold <seconds>', 'thawed after this in any case', holdSeconds, DEFAULT_HOLD_SECONDS)
    .action(async (name: string, { hold }: { readonly hold: number }) => {
      const frozen = await guest().freeze(name, { holdSeconds: hold })
      const { filesystems, thawAtMs } = frozen
      cli.print(
        frozen,
        () => `${filesystems} file systems are frozen until ${timeText(thawAtMs)}\n`,
      )
    })
  agent
    .command('thaw')
    .description('let the guest write again')
    .argument('<name>')
    .action(async (name: string) => {
      const thawed = await guest().thaw(name)
      cli.print(thawed, () => `${thawed.filesystems} file systems were thawed\n`)
    })
  agent
    .command('set-time')
    .description('set the guest’s clock to that of its host')
    .argument('<name>')
    .action(async (name: string) => {
      await guest().setTime(name)
      cli.print({}, () => `machine ${name} has the time of its host\n`)
    })
}

interface WriteFlags {
  readonly from?: string
  readonly append?: true
}

function interfaceTable(items: GuestInterfaces['items']): Table {
  const rows = items.map(({ name, mac, addresses }) => [
    name,
    mac ?? '',
    addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(', '),
  ])
  return { columns: ['NAME', 'MAC', 'ADDRESSES'], rows, empty: 'no interface' }
}

function holdSeconds(text: string): number {
  if (/^[1-9]\d?$/.test(text) && Number(text) <= LONGEST_HOLD_SECONDS) return Number(text)
  throw new InvalidArgumentError(`must be a whole number from 1 to ${LONGEST_HOLD_SECONDS}.`)
}
