import type {
  FabricMatrix,
  PortMoveAnswer,
  PortMoveRequest,
  Traffic,
  TrafficHistoryAnswer,
  TrafficList,
} from '@purlin/schema'
import type { CallOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

/** What passes through this host's network. */
export interface Network {
  /** Counters of every port, port group and uplink of the host, with their rates. */
  traffic(options?: CallOptions): Promise<TrafficList>
  /** Counters of one of them over the last day, oldest first. */
  history(
    subject: Traffic['subject'],
    name: string,
    options?: CallOptions,
  ): Promise<TrafficHistoryAnswer>
  /** Says that the host can be reached after a change of a switch's uplinks, so that it stays.
   *  Answers whether such a change waited. */
  confirmUplinks(switchName: string, options?: CallOptions): Promise<boolean>
  /** Begins to move a port, with its machine's others, to another host. Errors: PUR_FABRIC_DEAD,
   *  PUR_PORT_MOVE. */
  movePort(name: string, request: PortMoveRequest, options?: CallOptions): Promise<PortMoveAnswer>
  /** Gives up a move whose machine has not left. Errors: PUR_PORT_MOVE. */
  cancelPortMove(name: string, options?: CallOptions): Promise<PortMoveAnswer>
  /** What becomes of frames of each network between the hosts of a switch. */
  probe(switchName: string, options?: CallOptions): Promise<FabricMatrix>
}

/** The network behind `transport`. */
export function networkOf(transport: Transport): Network {
  return {
    traffic: (options) => carryOut(transport, 'listTraffic', { options }),
    history: (subject, name, options) =>
      carryOut(transport, 'trafficHistory', { parts: { subject, name }, options }),
    confirmUplinks: async (name, options) =>
      (await carryOut(transport, 'confirmUplinks', { parts: { name }, options })).confirmed,
    movePort: (name, body, options) =>
      carryOut(transport, 'movePort', { parts: { name }, body, options }),
    cancelPortMove: (name, options) =>
      carryOut(transport, 'cancelPortMove', { parts: { name }, options }),
    probe: (name, options) => carryOut(transport, 'probeSwitch', { parts: { name }, options }),
  }
}
