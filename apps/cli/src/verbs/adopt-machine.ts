import { type Command, InvalidArgumentError } from 'commander'
import { stringify } from 'yaml'
import type { Cli, WaitOptions } from '../cli.ts'
import { withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'

interface AdoptFlags extends WaitOptions {
  readonly nic: readonly NicPlace[]
  readonly plan?: true
}

interface NicPlace {
  readonly mac: string
  readonly portGroup: string
}

/** `purlin vm adopt` */
export function addAdoption(vm: Command, cli: Cli): void {
  const command = vm
    .command('adopt')
    .description('take a domain of libvirt that is not Purlin’s in as a machine; it runs on')
    .argument('<name>')
    .option('--nic <mac=portgroup>', 'which port group a NIC is to have, once each', place, [])
    .option('--plan', 'show the machine it would be and what stands against it; change nothing')
  withWaitOptions(command).action(async (name: string, flags: AdoptFlags) => {
    const request = { nics: [...flags.nic] }
    if (flags.plan === true) return await plan(cli, name, request)
    const asked = await cli.client.virtualMachines.adopt(name, request)
    printTask(cli, await cli.finish(asked, flags))
  })
}

async function plan(cli: Cli, name: string, request: { readonly nics: NicPlace[] }): Promise<void> {
  const planned = await cli.client.virtualMachines.planAdoption(name, request)
  const { manifest, obstacles, changes } = planned
  cli.print(planned, () => stringify(manifest))
  for (const change of changes) cli.say(`from its next start on: ${change}`)
  for (const obstacle of obstacles) cli.say(`in the way: ${obstacle}`)
  if (obstacles.length === 0) cli.say(`nothing is in the way: purlin vm adopt ${name}`)
}

function place(text: string, before: readonly NicPlace[]): NicPlace[] {
  const [mac = '', portGroup = ''] = text.split('=')
  if (mac === '' || portGroup === '') throw new InvalidArgumentError('must be MAC=PORTGROUP')
  return [...before, { mac, portGroup }]
}
