import type { Kind, Resource } from '@purlin/schema'
import type { Cli } from '../cli.ts'

/** Other resources that a table of one kind speaks of. */
export interface Surroundings {
  readonly ports: readonly Resource<'Port'>[]
  readonly machines: readonly Resource<'VirtualMachine'>[]
}

/** Asks for what the table of the kind needs: machines have the addresses of their ports, groups
 *  the machines that name them. */
export async function surroundings(cli: Cli, kind: Kind): Promise<Surroundings> {
  return {
    ports: kind === 'VirtualMachine' ? await cli.client.ports.list() : [],
    machines: kind === 'SecurityGroup' ? await cli.client.virtualMachines.list() : [],
  }
}
