import type { RulePatch } from '@purlin/schema'
import type { RuleDirection, RuleInput, RuleName, TaskHandle } from '@purlin/sdk'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { wholeNumber, withChangeOptions } from '../options.ts'
import { patchOf, type RuleFlags, ruleOf } from '../rule-flags.ts'
import { printTask } from './apply.ts'

interface Revision {
  readonly ifRevision?: number
}

interface Place {
  readonly direction: RuleDirection
  readonly at?: number
}

type Change = WaitOptions & Revision & Place

/** `purlin sg rule` */
export function addSecurityGroupRule(group: Command, cli: Cli): void {
  const rule = group.command('rule').description('single rules of a group')
  for (const verb of ['add', 'insert'] as const) addAddition(rule, cli, verb)
  withChangeOptions(
    withRuleFlags(named(rule.command('modify').description('change fields of a rule'))),
  ).action(async (name: string, id: string | undefined, flags: Change & RuleFlags) => {
    const patch = patchOf(flags) as RulePatch
    await finish(cli, flags, (options) =>
      cli.client.securityGroups.modifyRule(name, ruleNamed(id, flags), patch, options),
    )
  })
  withChangeOptions(
    named(rule.command('move').description('move a rule to another priority')).addOption(
      new Option('--to <priority>', 'where it goes, 0 the highest')
        .argParser(wholeNumber)
        .makeOptionMandatory(),
    ),
  ).action(async (name: string, id: string | undefined, flags: Change & { to: number }) => {
    await finish(cli, flags, (options) =>
      cli.client.securityGroups.moveRule(name, ruleNamed(id, flags), flags.to, options),
    )
  })
  const simple = {
    delete: ['remove a rule; the rules behind it move up', 'deleteRule'],
    enable: ['let a rule decide again', 'enableRule'],
    disable: ['keep a rule in its place, without effect', 'disableRule'],
  } as const
  for (const [verb, [about, call]] of Object.entries(simple)) {
    withChangeOptions(named(rule.command(verb).description(about))).action(
      async (name: string, id: string | undefined, flags: Change) => {
        await finish(cli, flags, (options) =>
          cli.client.securityGroups[call](name, ruleNamed(id, flags), options),
        )
      },
    )
  }
}

/** A rule is named by its id, or by --at and --direction. */
function named(command: Command): Command {
  return withDirection(command.argument('<group>').argument('[rule]', 'its id')).addOption(
    new Option('--at <priority>', 'its priority, instead of its id').argParser(wholeNumber),
  )
}

function ruleNamed(id: string | undefined, { direction, at }: Place): RuleName {
  if ((id === undefined) === (at === undefined)) {
    throw new CommandFailure('name the rule by its id, or by --at PRIORITY', exitCodes.usage)
  }
  return id ?? { direction, priority: at ?? 0 }
}

function withDirection(command: Command): Command {
  return command.addOption(
    new Option('--direction <direction>', 'the list of the group')
      .choices(['inbound', 'outbound'])
      .default('inbound'),
  )
}

function withRuleFlags(command: Command): Command {
  return command
    .addOption(new Option('--family <family>').choices(['ipv4', 'ipv6']))
    .option('--proto <protocol>', 'all, tcp, udp, sctp, icmp or a number')
    .option('--ports <list>', 'ports and ranges: 80,8000-8010; any: every port')
    .option('--icmp-type <number>', 'ICMP type; any: every type')
    .option('--icmp-code <number>', 'ICMP code', wholeNumber)
    .option('--peer <list>', 'the other end: networks, addresses, ranges, group:NAME, self; or any')
    .addOption(new Option('--action <action>').choices(['allow', 'deny']))
    .addOption(
      new Option('--log <state>', 'whether flows it decides become events').choices(['on', 'off']),
    )
    .option('--description <text>')
}

function addAddition(parent: Command, cli: Cli, verb: 'add' | 'insert'): void {
  const about =
    verb === 'add'
      ? 'add a rule behind the others'
      : 'insert a rule; the rules from there move one down'
  const command = withRuleFlags(
    withDirection(parent.command(verb).description(about).argument('<group>')),
  )
    .option('--id <id>', 'its id; else one is given out')
    .option('--disabled', 'keep the rule, without effect')
  const place = new Option('--at <priority>', 'its position, 0 the highest').argParser(wholeNumber)
  command.addOption(verb === 'insert' ? place.makeOptionMandatory() : place)
  withChangeOptions(command).action(async (name: string, flags: Change & RuleFlags) => {
    const rule = ruleOf(flags) as RuleInput<RuleDirection>
    const { direction, at } = flags
    await finish(cli, flags, (options) =>
      cli.client.securityGroups.addRules(name, direction, [rule], {
        ...options,
        ...(at !== undefined && { priority: at }),
      }),
    )
  })
}

async function finish(
  cli: Cli,
  flags: WaitOptions & Revision,
  call: (options: Revision) => Promise<TaskHandle>,
): Promise<void> {
  const { ifRevision } = flags
  const handle = await call(ifRevision === undefined ? {} : { ifRevision })
  printTask(cli, await cli.finish(handle, flags))
}
