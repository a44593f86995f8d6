import { PurlinError } from '@purlin/base'
import type { Traffic } from '@purlin/schema'
import type { TrafficRecorder, VswitchDriver } from '@purlin/vswitch'
import type { OperationHandlers } from '../api/handlers.ts'
import type { AgentMetrics } from './metrics.ts'

/** What calls about the network work with. */
export interface NetworkGrounds {
  readonly traffic: TrafficRecorder
  readonly confirmUplinks: VswitchDriver['confirmUplinks']
  readonly cross: VswitchDriver['cross']
  readonly hasSwitch: (name: string) => boolean
}

type NetworkCall = 'listTraffic' | 'trafficHistory' | 'confirmUplinks'

const SUBJECTS: readonly Traffic['subject'][] = ['port', 'port-group', 'uplink']

/** The calls of the schema's network operations. */
export function networkHandlers(network: NetworkGrounds): Pick<OperationHandlers, NetworkCall> {
  return {
    listTraffic: async () => {
      const { items, measuredAtMs } = await network.traffic.list()
      return { items: [...items], measuredAtMs }
    },
    trafficHistory: async ({ params }) => {
      const subject = SUBJECTS.find((one) => one === params.subject)
      if (subject === undefined) {
        const message = `"${params.subject}" has no counters; there are: ${SUBJECTS.join(', ')}`
        throw new PurlinError('PUR_RESOURCE_MISSING', { message })
      }
      const name = params.name ?? ''
      return { subject, name, samples: [...network.traffic.history(subject, name)] }
    },
    confirmUplinks: async ({ params, signal }) => {
      const name = params.name ?? ''
      if (!network.hasSwitch(name)) {
        const message = `no DistributedSwitch named ${name}`
        throw new PurlinError('PUR_RESOURCE_MISSING', { message })
      }
      return { switch: name, confirmed: await network.confirmUplinks(name, signal) }
    },
  }
}

/** Puts the counters of this host's ports, port groups and uplinks among the metrics. Where Open
 *  vSwitch cannot be asked there are none: an old figure would look like a standstill. */
export async function showTraffic(
  { traffic }: NetworkGrounds,
  metrics: AgentMetrics['traffic'],
): Promise<void> {
  for (const metric of Object.values(metrics)) metric.reset()
  const counted = await traffic.list().catch(() => undefined)
  for (const one of counted?.items ?? []) {
    const { subject, name } = one
    for (const direction of ['inbound', 'outbound'] as const) {
      const labels = { subject, name, direction }
      metrics.bytes.inc(labels, one[direction].bytes)
      metrics.packets.inc(labels, one[direction].packets)
      metrics.errors.inc(labels, one[direction].errors)
    }
    for (const { reason, direction, packets } of one.dropped) {
      metrics.dropped.inc({ subject, name, direction, reason }, packets)
    }
  }
}
