import type { BridgeObserved, SwitchPortObserved } from './observed.ts'
import type { Replica } from './ovsdb/replica.ts'

/** The bridges of the database, by name. Pure. */
export function bridgesOf(replica: Replica): ReadonlyMap<string, BridgeObserved> {
  const interfaces = interfacesByName(replica)
  return new Map(
    [...replica.bridges.values()].map((row) => [
      row.name,
      {
        name: row.name,
        datapathType: row.datapathType,
        failMode: row.failMode,
        externalIds: row.externalIds,
        mtuRequest: interfaces.get(row.name)?.mtuRequest,
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
      const first = replica.interfaces.get(port.interfaces[0] ?? '')
      found.set(port.name, {
        name: port.name,
        bridge: bridge.name,
        tag: port.tag,
        vlanMode: port.vlanMode,
        trunks: port.trunks,
        externalIds: port.externalIds,
        interfaceIds: first?.externalIds ?? {},
        ofport: first?.ofport,
        error: first?.error,
      })
    }
  }
  return found
}

function interfacesByName(
  replica: Replica,
): ReadonlyMap<string, { readonly mtuRequest: number | undefined }> {
  return new Map([...replica.interfaces.values()].map((row) => [row.name, row]))
}
