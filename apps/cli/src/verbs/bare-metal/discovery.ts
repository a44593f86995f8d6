import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Cli } from '../../cli.ts'
import { CommandFailure } from '../../exit-codes.ts'
import { sizeText } from '../../output/byte-progress.ts'

/** Where packages put the program of the discovery system, and where a clone builds it. */
const PROGRAMS = [
  '/usr/lib/purlin/bin/purlin-node',
  new URL('../../../../../libs/discovery-system/native/purlin-node', import.meta.url).pathname,
]
const DEFAULT_OUT = '/var/lib/purlin/discovery'

interface BuildFlags {
  readonly out: string
  readonly cache?: string
  readonly drivers: 'virtual' | 'all'
  readonly program?: string
}

/** `purlin bm discovery` */
export function addDiscovery(group: Command, cli: Cli): void {
  group
    .command('discovery')
    .description('the system that reports hardware, writes images, erases and rescues')
    .command('build')
    .description('build its kernel and initrd of Debian’s packages, here and without a daemon')
    .option('--out <folder>', 'where to', DEFAULT_OUT)
    .option('--cache <folder>', 'for packages; kept')
    .addOption(
      new Option('--drivers <set>', 'all, or those of virtual machines alone')
        .choices(['all', 'virtual'])
        .default('all'),
    )
    .option('--program <file>', 'the static program purlin-node')
    .action((flags: BuildFlags) => build(cli, flags))
}

async function build(cli: Cli, flags: BuildFlags): Promise<void> {
  const purlinNode = flags.program ?? PROGRAMS.find((file) => existsSync(file))
  if (purlinNode === undefined) {
    throw new CommandFailure(`purlin-node is not there (${PROGRAMS.join(', ')}); give --program`)
  }
  const { out, drivers } = flags
  const cache = flags.cache ?? join(homedir(), '.cache', 'purlin', 'discovery')
  cli.say(`building the discovery system in ${out}; packages are kept in ${cache}`)
  // Loaded here alone: no other verb builds anything.
  const { buildDiscoverySystem } = await import('@purlin/discovery-system')
  const { signal } = cli.streams
  const manifest = await buildDiscoverySystem({ out, cache, drivers, purlinNode, signal })
  cli.print(manifest, () => ({
    columns: ['FILE', 'SIZE', 'SHA-256'],
    rows: [manifest.kernel, manifest.initrd].map(({ name, sizeBytes, sha256 }) => [
      name,
      sizeText(sizeBytes),
      sha256,
    ]),
    empty: 'nothing was built',
  }))
}
