import { PurlinError } from '@purlin/base'
import { consoleOperations } from '@purlin/schema'
import type { CatalogueFollower } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Consoles } from './consoles.ts'

export interface ConsoleGrounds {
  readonly catalogue: CatalogueFollower
  readonly consoles: Pick<Consoles, 'ask'>
  /** This host: only its own machines' consoles are here. */
  readonly host: string
}

/** The calls about machines' consoles. */
export function consoleHandlers({
  catalogue,
  consoles,
  host,
}: ConsoleGrounds): Pick<OperationHandlers, keyof typeof consoleOperations> {
  return {
    openMachineConsole: async ({ params: { name = '' }, body, caller, signal }) => {
      const record = catalogue.current().get('VirtualMachine', name)
      if (record === undefined) {
        const message = `no VirtualMachine named ${name}`
        throw new PurlinError('PUR_RESOURCE_MISSING', { message })
      }
      const at = record.manifest.spec.host
      if (at !== undefined && at !== host) {
        const message = `machine ${name} is on host ${at}: only the agent there can open its console; ask that one`
        const context = { machine: name, host: at }
        throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context })
      }
      if (caller === undefined) {
        throw new PurlinError('PUR_AUTH_REQUIRED', { message: `console of machine ${name}` })
      }
      return await consoles.ask(record, body, caller, signal)
    },
    attachConsole: async () => {
      const message = `GET ${consoleOperations.attachConsole.path}: ask for an upgrade to websocket, as RFC 6455 says`
      throw new PurlinError('PUR_INVALID', { message })
    },
  }
}
