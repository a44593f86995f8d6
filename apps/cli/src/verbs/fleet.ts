import { mkdir, rename, writeFile } from 'node:fs/promises'
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
    .requiredOption('--folder <folder>', 'gets NAME.pem, NAME.key, ca.pem and crl.pem')
    .option('--address <address...>', 'addresses and names it is reached at', [])
    .action(async (name: string, { folder, address }: { folder: string; address: string[] }) => {
      const { certificate, key, ca, crl } = await cli.client.fleet.certificate({
        name,
        addresses: address,
      })
      const own = { [`${name}.pem`]: certificate, [`${name}.key`]: key }
      await writeAll(cli, folder, { ...own, 'ca.pem': ca, 'crl.pem': crl })
    })
  fleet
    .command('authority')
    .description('write the authority’s certificate and its list of revoked ones into a folder')
    .requiredOption('--folder <folder>', 'gets ca.pem and crl.pem, the latter for etcd')
    .action(async ({ folder }: { folder: string }) => {
      const { ca, crl } = await cli.client.fleet.authority()
      await writeAll(cli, folder, { 'ca.pem': ca, 'crl.pem': crl })
    })
}

/** Writes files that have a content, each whole, and names them. */
async function writeAll(
  cli: Cli,
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const full = Object.entries(files).filter(([, text]) => text !== '')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const [name, text] of full) {
      await writeFile(join(folder, `${name}.new`), text, { mode: 0o600 })
      await rename(join(folder, `${name}.new`), join(folder, name))
    }
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${folder}: ${found}`)
  }
  const written = full.map(([name]) => join(folder, name))
  cli.print({ files: written }, () => written.map((file) => `${file}\n`).join(''))
}
