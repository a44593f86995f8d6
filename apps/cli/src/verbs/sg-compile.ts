import type { Manifest } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { readOfflineManifest } from '../offline-manifest.ts'
import { oneFile } from '../options.ts'

interface CompileOptions {
  readonly file?: string
  readonly target: 'nft' | 'ovs'
  readonly switch?: string
}

/** `purlin sg compile`: what a host would load for a manifest, worked out here. */
export function addCompile(group: Command, cli: Cli): void {
  group
    .command('compile')
    .description('the rule set of a manifest, to be loaded; no agent, no privilege')
    .argument('[file]', 'the manifest; - is standard input')
    .option('-f, --file <file>', 'the manifest; - is standard input')
    .addOption(
      new Option('--target <target>', 'nft: for nft -f; ovs: for ovs-ofctl --bundle add-flows')
        .choices(['nft', 'ovs'])
        .default('nft'),
    )
    .option('--switch <name>', 'with ovs: which switch, where the manifest has several')
    .action(async (positional: string | undefined, options: CompileOptions) => {
      const manifests = await readOfflineManifest(cli, oneFile(positional, options.file))
      const text =
        options.target === 'nft'
          ? await nftText(manifests)
          : await openflowText(cli, manifests, options.switch)
      cli.streams.stdout.write(text)
    })
}

async function nftText(manifests: readonly Manifest[]): Promise<string> {
  const { compileRuleset, desiredOfManifest } = await import('@purlin/netfilter')
  return compileRuleset(desiredOfManifest(manifests))
}

async function openflowText(
  cli: Cli,
  manifests: readonly Manifest[],
  wanted: string | undefined,
): Promise<string> {
  const netfilter = await import('@purlin/netfilter')
  const desired = netfilter.desiredOfManifest(manifests)
  const switches = netfilter.openflowSwitchesOf(manifests, desired)
  const name = wanted ?? [...switches.keys()][0]
  const chosen = name === undefined ? undefined : switches.get(name)
  if (chosen === undefined || (wanted === undefined && switches.size > 1)) {
    const problem = wanted === undefined ? 'which switch is not certain' : `no switch ${wanted}`
    const known = [...switches.keys()].join(', ') || 'none'
    const message = `${problem}; the manifest has: ${known}; name one by --switch`
    throw new CommandFailure(message, exitCodes.usage)
  }
  const { flows, notEnforced } = netfilter.compileOpenflow(desired, chosen)
  for (const port of notEnforced) {
    cli.say(`${port}: has no flows; its port group is a trunk, into which groups cannot see`)
  }
  return netfilter.renderFlows(flows)
}
