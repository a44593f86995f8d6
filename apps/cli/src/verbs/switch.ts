import type { RevisionOptions } from '@purlin/sdk'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { wholeNumber, withChangeOptions, withWaitOptions } from '../options.ts'
import { fabricTable } from '../views/fabric-table.ts'
import { topologyOf } from '../views/topology.ts'
import { topologySvg } from '../views/topology-svg.ts'
import { topologyTree } from '../views/topology-tree.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { makeAnew } from './made-anew.ts'

interface SwitchFlags {
  readonly mtu?: number
  readonly transport?: 'vlan' | 'vxlan' | 'geneve'
  readonly uplink: readonly string[]
  readonly bond: readonly BondFlag[]
  readonly confirmSeconds?: number
}

interface BondFlag {
  readonly name: string
  readonly mode: 'active-backup' | 'balance-slb' | 'lacp'
  readonly members: string[]
}

/** `purlin switch` */
export function addSwitch(program: Command, cli: Cli): void {
  const group = program.command('switch').description('distributed switches')
  group
    .command('list')
    .description('all switches')
    .action(() => printResources(cli, 'DistributedSwitch', undefined))
  group
    .command('show')
    .description('what hangs on a switch, as a tree; -o svg draws it')
    .argument('<name>')
    .action((name: string) => show(cli, name))
  group
    .command('describe')
    .description('a switch with its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'DistributedSwitch', name))
  withWaitOptions(
    group
      .command('create')
      .description('make a switch')
      .argument('<name>')
      .option('--mtu <bytes>', 'largest payload of a frame', wholeNumber)
      .addOption(
        new Option('--transport <form>', 'how frames go between hosts').choices([
          'vlan',
          'vxlan',
          'geneve',
        ]),
      )
      .option('--uplink <nic>', 'a NIC of the hosts that joins it; may be repeated', collect, [])
      .option(
        '--bond <name=mode:nic,nic>',
        'a bond that joins it, as bond0=active-backup:eth1,eth2; may be repeated',
        collectBond,
        [],
      )
      .option(
        '--confirm-seconds <seconds>',
        'how long a change of uplinks waits for its confirmation',
        wholeNumber,
      ),
  ).action(async (name: string, flags: SwitchFlags & WaitOptions) => {
    const { mtu, transport, uplink, bond, confirmSeconds } = flags
    const spec = {
      ...(mtu !== undefined && { mtu }),
      ...(transport !== undefined && { transport }),
      ...(confirmSeconds !== undefined && { confirmSeconds }),
      uplinks: [...uplink, ...bond.map((one) => one.name)],
      bonds: [...bond],
    }
    const manifest = { kind: 'DistributedSwitch', name, spec } as const
    const collection = cli.client.resources('DistributedSwitch')
    const put = (options: RevisionOptions) => collection.put(manifest, options)
    await makeAnew(cli, `DistributedSwitch ${name}`, put, flags)
  })
  withChangeOptions(
    group
      .command('delete')
      .description('delete a switch that no port group names')
      .argument('<name>'),
  ).action(async (name: string, flags: { ifRevision?: number } & WaitOptions) => {
    const { ifRevision } = flags
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const handle = await cli.client.resources('DistributedSwitch').delete(name, revision)
    printTask(cli, await cli.finish(handle, flags))
  })
  group
    .command('probe')
    .description('send frames of each VLAN by each uplink between the hosts; shows what arrives')
    .argument('<name>')
    .action(async (name: string) => {
      const matrix = await cli.client.network.probe(name)
      cli.print(matrix, () => fabricTable(matrix))
    })
  group
    .command('confirm')
    .description('say over the new path that a change of uplinks on this host is well')
    .argument('<name>')
    .action(async (name: string) => {
      const confirmed = await cli.client.network.confirmUplinks(name)
      const words = confirmed ? 'the new uplinks hold' : 'no change of its uplinks waited'
      cli.print({ switch: name, confirmed }, () => `${name}: ${words}\n`)
    })
}

async function show(cli: Cli, name: string): Promise<void> {
  const { client } = cli
  const [found, portGroups, ports] = await Promise.all([
    client.resources('DistributedSwitch').get(name),
    client.resources('PortGroup').list(),
    client.resources('Port').list(),
  ])
  const topology = topologyOf(found, portGroups, ports)
  cli.print(
    topology,
    () => topologyTree(topology, cli.colours),
    () => topologySvg(topology),
  )
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text]
}

function collectBond(text: string, before: readonly BondFlag[]): readonly BondFlag[] {
  const match = /^([^=]+)=(active-backup|balance-slb|lacp):([^,]+(?:,[^,]+)+)$/.exec(text)
  const [, name = '', mode = '', members = ''] = match ?? []
  if (match === null) {
    throw new InvalidArgumentError(
      'must be NAME=MODE:NIC,NIC with active-backup, balance-slb or lacp.',
    )
  }
  return [...before, { name, mode: mode as BondFlag['mode'], members: members.split(',') }]
}
