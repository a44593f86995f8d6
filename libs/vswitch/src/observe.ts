import { FLOWS_KEY, MIRROR_MARK, PART_MARK, PORT_MARK, SWITCH_MARK } from './mark.ts'
import type {
  BridgeObserved,
  FlowExportObserved,
  InterfaceObserved,
  LimitObserved,
  MirrorObserved,
  SwitchPortObserved,
} from './observed.ts'
import type { BridgeRow, InterfaceRow, PortRow, Replica } from './ovsdb/replica.ts'
import {
  atomsOf,
  numberedReferencesOf,
  numberOf,
  referencesOf,
  textMapOf,
  textOf,
} from './ovsdb/value.ts'

/** The bridges of the database, by name. Pure. */
export function bridgesOf(replica: Replica): ReadonlyMap<string, BridgeObserved> {
  const requests = new Map(
    [...replica.interfaces.values()].map((row) => [row.name, row.mtuRequest]),
  )
  return new Map(
    [...replica.bridges.values()].map((row) => [
      row.name,
      {
        name: row.name,
        datapathType: row.datapathType,
        failMode: row.failMode,
        externalIds: row.externalIds,
        mtuRequest: requests.get(row.name),
        mirrors: row.mirrors.flatMap((id) => mirrorOf(id, replica)),
        flowExports: flowExportsOf(row, replica),
      },
    ]),
  )
}

/** The ports of all bridges, by name, each bridge's own local port left out. Pure. */
export function switchPortsOf(replica: Replica): ReadonlyMap<string, SwitchPortObserved> {
  const found = new Map<string, SwitchPortObserved>()
  for (const bridge of replica.bridges.values()) {
    for (const id of bridge.ports) {
      const port = replica.ports.get(id)
      if (port === undefined || port.name === bridge.name) continue
      const rows = port.interfaces.flatMap((row) => replica.interfaces.get(row) ?? [])
      const [first] = rows
      found.set(port.name, {
        name: port.name,
        bridge: bridge.name,
        tag: port.tag,
        vlanMode: port.vlanMode,
        trunks: port.trunks,
        externalIds: port.externalIds,
        interfaceIds: first?.externalIds ?? {},
        ofport: first?.ofport,
        error: rows.find(({ error }) => error !== undefined)?.error,
        interfaces: rows.map(interfaceOf),
        bondMode: port.bondMode,
        lacp: port.lacp,
        isProtected: port.isProtected,
        limit: limitOf(port, replica),
      })
    }
  }
  return found
}

/** Bridges that carry our mark, switches and their parts, each with the record of its flows.
 *  Pure. */
export function ourBridges(
  bridges: ReadonlyMap<string, BridgeObserved>,
): ReadonlyMap<string, string | undefined> {
  const ours = [...bridges.values()].filter(
    ({ externalIds }) =>
      externalIds[SWITCH_MARK] !== undefined || externalIds[PART_MARK] !== undefined,
  )
  return new Map(ours.map(({ name, externalIds }) => [name, externalIds[FLOWS_KEY]]))
}

function interfaceOf(row: InterfaceRow): InterfaceObserved {
  const { name, type, options, ofport, error, linkState, lacpCurrent, mtu } = row
  return { name, type, options, ofport, error, linkState, lacpCurrent, mtu }
}

function limitOf(port: PortRow, { settings }: Replica): LimitObserved | undefined {
  const row = settings.QoS.get(port.qos ?? '')
  if (row === undefined) return undefined
  const queue = numberedReferencesOf(row.columns.queues).get(0)
  return {
    isOurs: row.externalIds[PORT_MARK] !== undefined,
    type: textOf(row.columns.type) ?? '',
    maxRate: textMapOf(row.columns.other_config)['max-rate'],
    queue: textMapOf(settings.Queue.get(queue ?? '')?.columns.other_config),
  }
}

function mirrorOf(id: string, { settings, ports }: Replica): readonly MirrorObserved[] {
  const row = settings.Mirror.get(id)
  if (row === undefined) return []
  const namesOf = (column: unknown): readonly string[] =>
    referencesOf(column).flatMap((port) => ports.get(port)?.name ?? [])
  return [
    {
      mark: row.externalIds[MIRROR_MARK],
      name: textOf(row.columns.name) ?? '',
      sources: namesOf(row.columns.select_src_port),
      destinations: namesOf(row.columns.select_dst_port),
      output: namesOf(row.columns.output_port)[0],
    },
  ]
}

function flowExportsOf(bridge: BridgeRow, { settings }: Replica): readonly FlowExportObserved[] {
  const kinds = [
    ['sflow', settings.sFlow.get(bridge.sflow ?? ''), 'polling'],
    ['ipfix', settings.IPFIX.get(bridge.ipfix ?? ''), 'cache_active_timeout'],
  ] as const
  return kinds.flatMap(([protocol, row, seconds]): FlowExportObserved[] =>
    row === undefined
      ? []
      : [
          {
            isOurs: row.externalIds[SWITCH_MARK] !== undefined,
            protocol,
            collectors: atomsOf(row.columns.targets).map(String),
            sampling: numberOf(row.columns.sampling),
            counterSeconds: numberOf(row.columns[seconds]),
          },
        ],
  )
}
