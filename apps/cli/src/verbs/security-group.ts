import { PurlinError } from '@purlin/base'
import type { Resource } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { withChangeOptions } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { ruleTable } from '../views/rule-table.ts'
import { printTask } from './apply.ts'
import { printResources } from './get.ts'
import { addSecurityGroupFile } from './security-group-file.ts'
import { addSecurityGroupHits } from './security-group-hits.ts'
import { addSecurityGroupNic } from './security-group-nic.ts'
import { addSecurityGroupPlan } from './security-group-plan.ts'
import { addSecurityGroupRule } from './security-group-rule.ts'
import { addSecurityGroupVerify } from './security-group-verify.ts'
import { addCompile } from './sg-compile.ts'

interface GroupFlags {
  readonly members?: 'on' | 'off'
  readonly keepEstablished?: 'on' | 'off'
  readonly description?: string
  readonly ifRevision?: number
}

/** `purlin sg` */
export function addSecurityGroup(program: Command, cli: Cli): void {
  const group = program.command('sg').description('security groups')
  group
    .command('list')
    .description('all groups')
    .action(() => printResources(cli, 'SecurityGroup', undefined))
  group
    .command('show')
    .description('the rules of a group in their order, and its members')
    .argument('<name>')
    .action((name: string) => show(cli, name))
  withChangeOptions(
    withGroupFlags(group.command('create').description('make a group').argument('<name>')),
  ).action((name: string, flags: GroupFlags & WaitOptions) => create(cli, name, flags))
  withChangeOptions(
    withGroupFlags(
      group
        .command('modify')
        .description('switch the members rule and what else a group has beside its rules')
        .argument('<name>'),
    ),
  ).action(async (name: string, flags: GroupFlags & WaitOptions) => {
    const { ifRevision } = flags
    const handle = await cli.client.securityGroups.modify(name, fieldsOf(flags), {
      ...(ifRevision !== undefined && { ifRevision }),
    })
    printTask(cli, await cli.finish(handle, flags))
  })
  withChangeOptions(
    group.command('delete').description('delete a group that nobody names').argument('<name>'),
  ).action(async (name: string, flags: GroupFlags & WaitOptions) => {
    const { ifRevision } = flags
    const handle = await cli.client.securityGroups.delete(name, {
      ...(ifRevision !== undefined && { ifRevision }),
    })
    printTask(cli, await cli.finish(handle, flags))
  })
  group
    .command('members')
    .description('the NICs that name a group, with their addresses')
    .argument('<name>')
    .action((name: string) => members(cli, name))
  addSecurityGroupRule(group, cli)
  addSecurityGroupNic(group, cli)
  addSecurityGroupFile(group, cli)
  addSecurityGroupPlan(group, cli)
  addSecurityGroupHits(group, cli)
  addSecurityGroupVerify(group, cli)
  addCompile(group, cli)
}

function withGroupFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--members <state>', 'whether members reach each other').choices(['on', 'off']),
    )
    .addOption(
      new Option(
        '--keep-established <state>',
        'whether connections that a change refuses go on until they end',
      ).choices(['on', 'off']),
    )
    .option('--description <text>')
}

function fieldsOf({ members: state, keepEstablished, description }: GroupFlags) {
  return {
    ...(state && { allowWithinGroup: state === 'on' }),
    ...(keepEstablished && { keepEstablished: keepEstablished === 'on' }),
    ...(description !== undefined && { description }),
  }
}

async function create(cli: Cli, name: string, flags: GroupFlags & WaitOptions): Promise<void> {
  const manifest = { kind: 'SecurityGroup', name, spec: fieldsOf(flags) } as const
  try {
    // Revision 0: of what is not there yet.
    const handle = await cli.client.securityGroups.put(manifest, { ifRevision: 0 })
    printTask(cli, await cli.finish(handle, flags))
  } catch (thrown) {
    const taken = thrown instanceof PurlinError && thrown.code === 'PUR_RESOURCE_REVISION'
    if (!taken) throw thrown
    const message = `there is a SecurityGroup ${name} already; sg modify changes it`
    throw new CommandFailure(message, exitCodes.refused)
  }
}

async function show(cli: Cli, name: string): Promise<void> {
  const group: Resource<'SecurityGroup'> = await cli.client.securityGroups.get(name)
  const listed = cli.output === 'table' ? await cli.client.securityGroups.members(name) : []
  cli.print(group, () => {
    const nics = listed.map(({ nic }) => nic).join(', ') || 'none'
    return `${renderTable(ruleTable(group), cli.colours)}members: ${nics}\n`
  })
}

async function members(cli: Cli, name: string): Promise<void> {
  const items = await cli.client.securityGroups.members(name)
  cli.print(items, () => ({
    columns: ['NIC', 'IPV4', 'IPV6'],
    rows: items.map(({ nic, ipv4, ipv6 }) => [nic, ipv4.join(', '), ipv6.join(', ')]),
    empty: `no NIC names ${name}`,
  }))
}
