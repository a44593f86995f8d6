import { PurlinError } from '@purlin/base'
import type { BootService } from '@purlin/boot-service'
import type { deploymentNetworkOperations } from '@purlin/schema'
import type { HandlersOf } from '@purlin/service'
import { serversOf } from '../status/resource-status.ts'

/** What the calls of deployment networks work with. */
export interface NetworkCallGrounds {
  /** The open service of a network. Errors: PUR_RESOURCE_MISSING; PUR_BOOT_* where it cannot be
   *  opened. */
  readonly serviceOf: (network: string) => BootService
  /** Answers unknown machines until a time; undefined: no longer. */
  readonly enrolUntil: (network: string, untilMs: number | undefined) => Promise<void>
  readonly nowMs: () => number
}

const MINUTE_MS = 60_000

/** The calls of deployment networks. */
export function networkHandlers(
  grounds: NetworkCallGrounds,
): HandlersOf<typeof deploymentNetworkOperations> {
  return {
    probeDhcpServers: async ({ params }) => {
      const service = grounds.serviceOf(params.name ?? '')
      const foreignServers = await service.probeForeignServers()
      return { servers: serversOf({ foreignServers }), foreign: foreignServers.length > 0 }
    },
    openEnrolWindow: async ({ params, body }) => {
      const network = params.name ?? ''
      grounds.serviceOf(network)
      const untilMs = body.minutes === 0 ? undefined : grounds.nowMs() + body.minutes * MINUTE_MS
      await grounds.enrolUntil(network, untilMs)
      return untilMs === undefined ? {} : { untilMs }
    },
  }
}

/** The answer where a network's service is not open. */
export function notServed(network: string, why: string | undefined): PurlinError {
  const message = `DeploymentNetwork ${network} is not served now${why === undefined ? '' : `: ${why}`}`
  return new PurlinError('PUR_BOOT_DHCP', { message })
}
