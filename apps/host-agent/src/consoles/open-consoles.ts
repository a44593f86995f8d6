import { randomBytes } from 'node:crypto'
import type { Clock } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import { type Caller, type CallerGrounds, callerOf, type Tokens } from '@purlin/service'
import { createMachineConsoles, type LibvirtPort } from '@purlin/virt'
import { Consoles } from './consoles.ts'

export interface OpenConsolesGrounds extends Pick<CallerGrounds, 'provenRole'> {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
  readonly tokens: Tokens
  readonly tell: (event: NewEvent) => void
}

/** The consoles of this host's machines. */
export function openConsoles(grounds: OpenConsolesGrounds): Consoles {
  const { clock, tokens, tell } = grounds
  return new Consoles({
    ...{ clock, tell, random: randomBytes },
    consoles: createMachineConsoles(grounds),
    callerOf: (request) => callerOf(request, grounds),
    stillMay: (caller) => stillMay(tokens, caller),
  })
}

/** Who called by a token needs that token still; others prove who they are by their connection. */
function stillMay(tokens: Tokens, { name }: Caller): boolean {
  if (!name.startsWith('token ')) return true
  return tokens.list().items.some((one) => `token ${one.name}` === name && one.role !== 'viewer')
}
