import type { PolicyPlan, PolicyRegion, TrackedFlow } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { readManifestFile, withLines } from '../manifest-file.ts'
import { renderTable, type Table } from '../output/table.ts'
import {
  type ImportFlags,
  importRequest,
  withFileLines,
  withImportOptions,
} from './security-group-file.ts'

/** `purlin sg plan` */
export function addSecurityGroupPlan(group: Command, cli: Cli): void {
  withImportOptions(
    group
      .command('plan')
      .description(
        'what a change would newly allow, newly deny and cut; exit code 3 where anything',
      )
      .option('-f, --file <file>', 'of this manifest; - is standard input')
      .argument('[group]', 'of a file of rules for this group')
      .argument('[rules]', 'the file of rules, as import takes it'),
  ).action(
    async (
      name: string | undefined,
      rules: string | undefined,
      flags: ImportFlags & { readonly file?: string },
    ) => {
      const plan = await planOf(cli, name, rules, flags)
      cli.print(plan, () => policyPlanText(plan, cli.colours))
      const { newlyAllowed, newlyDenied, connectionsToEnd } = plan
      const differs = newlyAllowed.length + newlyDenied.length + connectionsToEnd.length > 0
      if (differs) cli.exitCode = exitCodes.differs
    },
  )
}

async function planOf(
  cli: Cli,
  name: string | undefined,
  rules: string | undefined,
  flags: ImportFlags & { readonly file?: string },
): Promise<PolicyPlan> {
  const { enforcement } = cli.client
  if (flags.file !== undefined && name === undefined) {
    const manifest = await readManifestFile(cli, flags.file)
    return await withLines(manifest, (documents) => enforcement.plan({ documents: [...documents] }))
  }
  if (flags.file !== undefined || name === undefined || rules === undefined) {
    const message = 'give -f MANIFEST, or a group and a file of rules for it'
    throw new CommandFailure(message, exitCodes.usage)
  }
  const request = await importRequest(cli, rules, flags)
  return await withFileLines(request.fileName ?? rules, () =>
    enforcement.plan({ import: { ...request, group: name } }),
  )
}

/** The three parts of a plan, each a table. Pure. */
export function policyPlanText(plan: PolicyPlan, colours: boolean): string {
  const { newlyAllowed, newlyDenied, connectionsToEnd, complete, unread } = plan
  if (newlyAllowed.length + newlyDenied.length + connectionsToEnd.length === 0 && !unread) {
    return 'nothing is newly allowed or denied, and no connection ends\n'
  }
  return [
    section('newly allowed', regionTable(newlyAllowed, 'good'), colours),
    section('newly denied', regionTable(newlyDenied, 'bad'), colours),
    ...(complete ? [] : ['there are more regions than are listed\n']),
    unread === undefined
      ? section('connections that will end', flowTable(connectionsToEnd), colours)
      : `the connections of now are not known: ${unread}\n`,
  ].join('\n')
}

function section(title: string, table: Table, colours: boolean): string {
  return `${title}:\n${renderTable(table, colours)}`
}

function regionTable(regions: readonly PolicyRegion[], tone: 'good' | 'bad'): Table {
  return {
    columns: ['NIC', 'DIRECTION', 'FAMILY', 'PROTOCOL', 'PORTS', 'PEER', 'BEFORE', 'AFTER'],
    rows: regions.map((region) => [
      region.nics.join(', '),
      region.direction,
      region.family,
      region.protocols?.join(', ') ?? 'all',
      detailText(region),
      peerText(region),
      region.before,
      { text: region.after, tone },
    ]),
    empty: '  none',
  }
}

function detailText({ destinationPorts, sourcePorts, icmp }: PolicyRegion): string {
  const parts = [
    ...(destinationPorts ? [destinationPorts.join(', ')] : []),
    ...(sourcePorts ? [`from ${sourcePorts.join(', ')}`] : []),
    ...(icmp ? [`type ${icmp.join(', ')}`] : []),
  ]
  return parts.join(' ') || 'any'
}

function peerText({ peer }: PolicyRegion): string {
  if (peer === undefined) return 'anyone'
  return [...peer.addresses, ...peer.groups.map((name) => `group:${name}`)].join(', ')
}

function flowTable(flows: readonly TrackedFlow[]): Table {
  const end = (address: string, port: number | undefined): string =>
    port === undefined
      ? address
      : address.includes(':')
        ? `[${address}]:${port}`
        : `${address}:${port}`
  return {
    columns: ['NIC', 'PROTOCOL', 'FROM', 'TO'],
    rows: flows.map((flow) => [
      flow.nic,
      flow.protocol,
      end(flow.source, flow.sourcePort),
      end(flow.destination, flow.destinationPort),
    ]),
    empty: '  none',
  }
}
