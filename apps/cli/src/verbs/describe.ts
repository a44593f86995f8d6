import type { Event, Kind, Resource } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { kindNamed } from '../options.ts'
import { description } from '../views/description.ts'

const EVENTS_SHOWN = 20

/** `purlin describe` */
export function addDescribe(program: Command, cli: Cli): void {
  program
    .command('describe')
    .description('show one resource with its conditions and recent events')
    .argument('<kind>', 'a kind, its plural or short form')
    .argument('<name>')
    .action((word: string, name: string) => printDescription(cli, kindNamed(word), name))
}

/** Prints everything about one resource. */
export async function printDescription(cli: Cli, kind: Kind, name: string): Promise<void> {
  const { clock } = cli.streams
  const resource: Resource = await cli.resources(kind).get(name)
  const events = cli.output === 'table' ? await recentEvents(cli, kind, name) : []
  const ports = cli.output === 'table' && kind === 'VirtualMachine' ? await portsOf(cli, name) : []
  cli.print(resource, () => description(resource, ports, events, clock.nowMs(), cli.colours))
}

async function portsOf(cli: Cli, machine: string): Promise<readonly Resource<'Port'>[]> {
  const ports = await cli.client.ports.list()
  return ports.filter(({ spec }) => spec.virtualMachine === machine)
}

/** The latest events of the resource, and of a machine's ports. */
async function recentEvents(cli: Cli, kind: Kind, name: string): Promise<readonly Event[]> {
  const latest: Event[] = []
  for await (const event of cli.of(kind).daemon.events({ after: 0, follow: false })) {
    const { subject } = event
    const own = subject.kind === kind && subject.name === name
    const ofPort =
      kind === 'VirtualMachine' && subject.kind === 'Port' && subject.name.startsWith(`${name}.`)
    if (!own && !ofPort) continue
    latest.push(event)
    if (latest.length > EVENTS_SHOWN) latest.shift()
  }
  return latest
}
