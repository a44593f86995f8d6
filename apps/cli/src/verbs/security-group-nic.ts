import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { wholeNumber, withChangeOptions } from '../options.ts'
import { printTask } from './apply.ts'

type Change = WaitOptions & { readonly ifRevision?: number }

/** `purlin sg attach`, `detach`, `reorder` */
export function addSecurityGroupNic(group: Command, cli: Cli): void {
  withChangeOptions(
    group
      .command('attach')
      .description('give a NIC one more group')
      .argument('<group>')
      .argument('<nic>', 'web-1/eth0, or web-1 where it has one NIC')
      .addOption(
        new Option(
          '--at <priority>',
          'its place among the groups of the NIC, 0 the first',
        ).argParser(wholeNumber),
      ),
  ).action(async (name: string, nic: string, flags: Change & { at?: number }) => {
    const [machine, nicName] = await nicNamed(cli, nic)
    const handle = await cli.client.virtualMachines.attachGroup(machine, nicName, name, {
      ...revision(flags),
      ...(flags.at !== undefined && { priority: flags.at }),
    })
    printTask(cli, await cli.finish(handle, flags))
  })
  withChangeOptions(
    group
      .command('detach')
      .description('take a group from a NIC')
      .argument('<group>')
      .argument('<nic>', 'web-1/eth0, or web-1 where it has one NIC'),
  ).action(async (name: string, nic: string, flags: Change) => {
    const [machine, nicName] = await nicNamed(cli, nic)
    const { virtualMachines } = cli.client
    const handle = await virtualMachines.detachGroup(machine, nicName, name, revision(flags))
    printTask(cli, await cli.finish(handle, flags))
  })
  withChangeOptions(
    group
      .command('reorder')
      .description('put the groups of a NIC into another order')
      .argument('<nic>', 'web-1/eth0, or web-1 where it has one NIC')
      .argument('<groups>', 'all of its groups in the new order: ops,web'),
  ).action(async (nic: string, list: string, flags: Change) => {
    const [machine, nicName] = await nicNamed(cli, nic)
    const groups = list.split(',').map((name) => name.trim())
    const { virtualMachines } = cli.client
    const handle = await virtualMachines.reorderGroups(machine, nicName, groups, revision(flags))
    printTask(cli, await cli.finish(handle, flags))
  })
}

function revision({ ifRevision }: Change): { readonly ifRevision?: number } {
  return ifRevision === undefined ? {} : { ifRevision }
}

/** `web-1/eth0` as it stands; a machine alone means its only NIC. */
async function nicNamed(cli: Cli, text: string): Promise<readonly [string, string]> {
  const [machine = '', nic] = text.split(/[./]/, 2)
  if (nic !== undefined) return [machine, nic]
  const { spec } = await cli.client.virtualMachines.get(machine)
  const [only, second] = spec.nics
  if (only !== undefined && second === undefined) return [machine, only.name]
  const known = spec.nics.map(({ name }) => `${machine}/${name}`).join(', ') || 'none'
  throw new CommandFailure(`${machine}: which NIC? It has: ${known}`, exitCodes.usage)
}
