import { toPurlinError } from '@purlin/base'
import type { HostHardware } from '@purlin/schema'
import type { Cli } from '../cli.ts'
import { hostPicture } from '../views/host-picture.ts'

/** Prints a host with what it is made of. Of a host that is away only the rest is known. */
export async function showHost(cli: Cli, name: string): Promise<void> {
  const host = await cli.client.resources('Host').get(name)
  const hardware = await cli.client.pool.hardware(name).catch(absent)
  if (hardware === undefined) cli.say(`host ${name} is away: what it is made of is not known`)
  cli.print({ ...host, hardware }, () => hostPicture(host, hardware, cli.colours))
}

function absent(thrown: unknown): HostHardware | undefined {
  if (toPurlinError(thrown).code === 'PUR_AGENT_UNREACHABLE') return undefined
  throw thrown
}
