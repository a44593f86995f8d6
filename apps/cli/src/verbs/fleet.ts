import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'

/** `purlin fleet` */
export function addFleet(program: Command, cli: Cli): void {
  const fleet = program.command('fleet').description('several hosts with one desired state')
  fleet
    .command('init')
    .description('make this host the first of a fleet, with a certificate authority of its own')
    .argument('<name>')
    .requiredOption('--listen <address:port>', 'where the other agents reach this one')
    .option('--address <address...>', 'further addresses and names it is reached at', [])
    .action(async (name: string, { listen, address }: { listen: string; address: string[] }) => {
      const made = await cli.client.fleet.init({ name, listen, addresses: address })
      cli.print(made, () => `fleet ${made.fleet}, authority ${made.fingerprint}\n`)
      cli.say('next: certificates for etcd (purlin fleet certificate), then purlin store move')
    })
  fleet
    .command('certificate')
    .description('make a key and a certificate, such as a member of etcd needs, into a folder')
    .argument('<name>')
    .requiredOption('--folder <folder>', 'gets NAME.pem, NAME.key and ca.pem')
    .option('--address <address...>', 'addresses and names it is reached at', [])
    .action(async (name: string, { folder, address }: { folder: string; address: string[] }) => {
      const { certificate, key, ca } = await cli.client.fleet.certificate({
        name,
        addresses: address,
      })
      const files = { [`${name}.pem`]: certificate, [`${name}.key`]: key, 'ca.pem': ca }
      await writeAll(folder, files)
      const written = Object.keys(files).map((file) => join(folder, file))
      cli.print({ files: written }, () => written.map((file) => `${file}\n`).join(''))
    })
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, name), text, { mode: 0o600 })
    }
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${folder}: ${found}`)
  }
}
