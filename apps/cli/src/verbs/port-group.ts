import type { RevisionOptions } from '@purlin/sdk'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { wholeNumber, withChangeOptions, withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { makeAnew } from './made-anew.ts'

interface PortGroupFlags {
  readonly switch: string
  readonly vlan?: number
  readonly trunk?: number[]
  readonly isolated?: true
  readonly ports?: 'filterable' | 'direct'
  readonly limitIn?: number
  readonly limitOut?: number
  readonly subnet: readonly string[]
}

/** `purlin portgroup` */
export function addPortGroup(program: Command, cli: Cli): void {
  const group = program.command('portgroup').alias('pg').description('port groups of switches')
  group
    .command('list')
    .description('all port groups')
    .action(() => printResources(cli, 'PortGroup', undefined))
  group
    .command('show')
    .description('a port group with its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'PortGroup', name))
  withWaitOptions(
    group
      .command('create')
      .description('make a port group')
      .argument('<name>')
      .requiredOption('--switch <name>', 'the switch it is of')
      .option('--vlan <number>', 'its VLAN; 0: untagged', wholeNumber)
      .option('--trunk <numbers>', 'VLANs that pass tagged, as 10,20', vlanList)
      .option('--isolated', 'its ports never reach each other')
      .addOption(
        new Option('--ports <path>', 'how NICs reach the switch').choices(['filterable', 'direct']),
      )
      .option('--limit-in <kbit>', 'kbit/s that each machine may receive', wholeNumber)
      .option('--limit-out <kbit>', 'kbit/s that each machine may send', wholeNumber)
      .option('--subnet <cidr>', 'a network of it; may be repeated', collect, []),
  ).action(async (name: string, flags: PortGroupFlags & WaitOptions) => {
    const { vlan, trunk, isolated, ports, limitIn, limitOut } = flags
    const qos = {
      ...(limitIn !== undefined && { inbound: { kbitPerSecond: limitIn } }),
      ...(limitOut !== undefined && { outbound: { kbitPerSecond: limitOut } }),
    }
    const spec = {
      switch: flags.switch,
      subnets: flags.subnet.map((cidr) => ({ cidr })),
      ...(vlan !== undefined && { vlan }),
      ...(trunk !== undefined && { trunk }),
      ...(isolated === true && { isolated }),
      ...(ports !== undefined && { ports }),
      ...(Object.keys(qos).length > 0 && { qos }),
    }
    const manifest = { kind: 'PortGroup', name, spec } as const
    const collection = cli.client.resources('PortGroup')
    const put = (options: RevisionOptions) => collection.put(manifest, options)
    await makeAnew(cli, `PortGroup ${name}`, put, flags)
  })
  withChangeOptions(
    group.command('delete').description('delete a port group that no NIC names').argument('<name>'),
  ).action(async (name: string, flags: { ifRevision?: number } & WaitOptions) => {
    const { ifRevision } = flags
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const handle = await cli.client.resources('PortGroup').delete(name, revision)
    printTask(cli, await cli.finish(handle, flags))
  })
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text]
}

function vlanList(text: string): number[] {
  const vlans = text.split(',').map(Number)
  if (vlans.every((vlan) => Number.isInteger(vlan) && vlan >= 1 && vlan <= 4094)) return vlans
  throw new InvalidArgumentError('must be VLANs such as 10,20.')
}
