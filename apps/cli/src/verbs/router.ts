import type { Manifest, Resource } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { wholeNumber, withWaitOptions } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { routerTable } from '../views/router-table.ts'
import { printTask } from './apply.ts'
import { printResources } from './get.ts'

type Spec = Manifest<'Router'>['spec']

interface ForwardFlags extends WaitOptions {
  readonly protocol: 'tcp' | 'udp'
  readonly toPort?: number
}

/** `purlin router` */
export function addRouter(program: Command, cli: Cli): void {
  const router = program.command('router').description('routers between port groups and the world')
  router
    .command('list')
    .description('all routers')
    .action(() => printResources(cli, 'Router', undefined))
  router
    .command('show')
    .description('what a router joins, and where it leads')
    .argument('<name>')
    .action((name: string) => show(cli, name))
  verb('join', 'join a port group', '<port-group>').action(
    async (name: string, portGroup: string, options: WaitOptions) =>
      await change(cli, name, options, (spec) => ({
        ...spec,
        portGroups: added(spec.portGroups, portGroup),
      })),
  )
  verb('leave', 'leave a port group', '<port-group>').action(
    async (name: string, portGroup: string, options: WaitOptions) =>
      await change(cli, name, options, (spec) => ({
        ...spec,
        portGroups: without(spec.portGroups, (one) => one === portGroup, portGroup),
      })),
  )
  verb('float', 'let an external address stand for a NIC', '<address>', '<nic>').action(
    async (name: string, address: string, nic: string, options: WaitOptions) =>
      await change(cli, name, options, (spec) => ({
        ...spec,
        floatingAddresses: [
          ...spec.floatingAddresses.filter((one) => one.address !== address),
          { address, to: portOf(nic) },
        ],
      })),
  )
  verb('unfloat', 'take a floating address away', '<address>').action(
    async (name: string, address: string, options: WaitOptions) =>
      await change(cli, name, options, (spec) => ({
        ...spec,
        floatingAddresses: without(
          spec.floatingAddresses,
          (one) => one.address === address,
          `floating address ${address}`,
        ),
      })),
  )
  withProtocol(verb('forward', 'forward ports to a NIC', '<address>', '<ports>', '<nic>'))
    .option('--to-port <port>', 'port at the machine, of a single port', wholeNumber)
    .action(
      async (name: string, address: string, ports: string, nic: string, flags: ForwardFlags) =>
        await change(cli, name, flags, (spec) => {
          const { protocol, toPort } = flags
          const one = { address, protocol, ports, to: portOf(nic) }
          const forward = toPort === undefined ? one : { ...one, toPort }
          return { ...spec, portForwards: [...spec.portForwards, forward] }
        }),
    )
  withProtocol(verb('unforward', 'forward ports no longer', '<address>', '<ports>')).action(
    async (name: string, address: string, ports: string, flags: ForwardFlags) =>
      await change(cli, name, flags, (spec) => ({
        ...spec,
        portForwards: without(
          spec.portForwards,
          (one) =>
            one.address === address && one.protocol === flags.protocol && one.ports === ports,
          `forward of ${address} ${flags.protocol} ${ports}`,
        ),
      })),
  )

  function verb(word: string, description: string, ...places: readonly string[]): Command {
    const command = router.command(word).description(description).argument('<name>')
    for (const place of places) command.argument(place)
    return withWaitOptions(command)
  }
}

function withProtocol(command: Command): Command {
  return command.addOption(
    new Option('--protocol <protocol>', 'tcp or udp').choices(['tcp', 'udp']).default('tcp'),
  )
}

async function show(cli: Cli, name: string): Promise<void> {
  const router: Resource<'Router'> = await cli.client.routers.get(name)
  cli.print(router, () => renderTable(routerTable(router), cli.colours))
}

/** Reads the router, changes its spec and puts it back; refused when somebody else was quicker. */
async function change(
  cli: Cli,
  name: string,
  options: WaitOptions,
  changed: (spec: Spec) => Spec,
): Promise<void> {
  const { labels, spec, revision } = await cli.client.routers.get(name)
  const manifest = {
    kind: 'Router' as const,
    name,
    ...(labels !== undefined && { labels }),
    spec: changed(spec),
  }
  const handle = await cli.client.routers.put(manifest, { ifRevision: revision })
  printTask(cli, await cli.finish(handle, options))
}

/** `web-1/eth0` is `web-1.eth0` in a resource. */
function portOf(nic: string): string {
  return nic.replace('/', '.')
}

function added(list: readonly string[], one: string): string[] {
  if (!list.includes(one)) return [...list, one]
  throw new CommandFailure(`${one} is joined already`, exitCodes.refused)
}

function without<Item>(
  list: readonly Item[],
  isGone: (item: Item) => boolean,
  what: string,
): Item[] {
  const left = list.filter((item) => !isGone(item))
  if (left.length < list.length) return left
  throw new CommandFailure(`the router has no ${what}`, exitCodes.refused)
}
