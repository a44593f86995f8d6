import type { Resource } from '@purlin/schema'
import type { RuleDirection, RuleInput } from '@purlin/sdk'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { wholeNumber, withWaitOptions } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { type RuleFlags, ruleOf } from '../rule-flags.ts'
import { membersOf } from '../views/resource-table.ts'
import { ruleTable } from '../views/rule-table.ts'
import { printTask } from './apply.ts'
import { printResources } from './get.ts'

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
  const rule = group.command('rule').description('single rules of a group')
  addInsertion(rule, cli, 'add', 'add a rule behind the others')
  addInsertion(rule, cli, 'insert', 'insert a rule; the rules from there move one down')
  withWaitOptions(
    withDirection(
      rule.command('delete').description('remove a rule').argument('<group>'),
    ).addOption(
      new Option('--at <priority>', 'its position, from 0')
        .argParser(wholeNumber)
        .makeOptionMandatory(),
    ),
  ).action(async (name: string, flags: WaitOptions & Place) => {
    const { securityGroups } = cli.client
    printTask(
      cli,
      await cli.finish(await securityGroups.deleteRule(name, flags.direction, flags.at), flags),
    )
  })
}

interface Place {
  readonly direction: RuleDirection
  readonly at: number
}

function withDirection(command: Command): Command {
  return command.addOption(
    new Option('--direction <direction>', 'the list of the group')
      .choices(['inbound', 'outbound'])
      .default('inbound'),
  )
}

function addInsertion(parent: Command, cli: Cli, verb: 'add' | 'insert', about: string): void {
  const command = withDirection(parent.command(verb).description(about).argument('<group>'))
    .addOption(new Option('--family <family>').choices(['ipv4', 'ipv6']).default('ipv4'))
    .addOption(
      new Option('--proto <protocol>', 'all, tcp, udp, sctp, icmp or a number').default('all'),
    )
    .option('--ports <list>', 'ports and ranges: 80,8000-8010')
    .option('--icmp-type <number>', 'ICMP type', wholeNumber)
    .option('--icmp-code <number>', 'ICMP code', wholeNumber)
    .option('--peer <list>', 'the other end: networks, addresses, ranges, group:NAME, self')
    .addOption(new Option('--action <action>').choices(['allow', 'deny']).default('allow'))
    .option('--description <text>')
    .option('--disabled', 'keep the rule, without effect')
  if (verb === 'insert') {
    command.addOption(
      new Option('--at <priority>', 'its position, 0 the highest')
        .argParser(wholeNumber)
        .makeOptionMandatory(),
    )
  }
  withWaitOptions(command).action(async (name: string, flags: WaitOptions & Place & RuleFlags) => {
    const { securityGroups } = cli.client
    const made = ruleOf(flags) as RuleInput<RuleDirection>
    const handle =
      verb === 'add'
        ? await securityGroups.addRule(name, flags.direction, made)
        : await securityGroups.insertRule(name, flags.direction, made, flags.at)
    printTask(cli, await cli.finish(handle, flags))
  })
}

async function show(cli: Cli, name: string): Promise<void> {
  const group: Resource<'SecurityGroup'> = await cli.client.securityGroups.get(name)
  const machines = cli.output === 'table' ? await cli.client.virtualMachines.list() : []
  cli.print(group, () => {
    const members = membersOf(name, machines).join(', ') || 'none'
    return `${renderTable(ruleTable(group), cli.colours)}members: ${members}\n`
  })
}
