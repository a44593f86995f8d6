import { readdir } from 'node:fs/promises'
import { filesOf, readFiles, readText } from './folder.ts'
import { isApart, type ProcessState, readIdentity, stateOf } from './process.ts'
import { serviceFolder } from './service.ts'
import { type NamespaceView, viewNamespace } from './sockets.ts'

export interface ServiceObserved {
  readonly portGroup: string
  /** The process that keeps the namespace; undefined where it is gone. */
  readonly holder:
    | { readonly processId: number; readonly fingerprint: string; readonly stamp: string }
    | undefined
  /** dnsmasq; `fingerprint` is of the configuration it was started with. */
  readonly dnsmasq:
    | { readonly processId: number; readonly state: ProcessState; readonly fingerprint: string }
    | undefined
  readonly namespace: NamespaceView
  readonly reservations: ReadonlyMap<string, string>
  readonly names: ReadonlyMap<string, string>
  /** A change of the reservations was begun and not seen through. */
  readonly owed: boolean
}

/** Every service that has a folder, by port group. It spawns nothing: processes by their numbers
 *  and start, addresses and sockets by /proc/PID/net. */
export async function observeServices(
  runFolder: string,
): Promise<ReadonlyMap<string, ServiceObserved>> {
  const names = await readdir(`${runFolder}/port-groups`).catch(() => [])
  const services = await Promise.all(names.map((name) => observeService(runFolder, name)))
  return new Map(services.map((service) => [service.portGroup, service]))
}

/** One service as it stands. */
export async function observeService(
  runFolder: string,
  portGroup: string,
): Promise<ServiceObserved> {
  const files = filesOf(serviceFolder(runFolder, portGroup))
  const [holder, dnsmasq, reservations, names, owed] = await Promise.all([
    readIdentity(files.holder),
    readIdentity(files.dnsmasq),
    readFiles(files.reservations),
    readFiles(files.names),
    readText(files.owed),
  ])
  const held = holder !== undefined && (await isApart(holder.processId)) && stateOf(holder)
  const kept = held === 'running' ? holder : undefined
  const state = stateOf(dnsmasq)
  return {
    portGroup,
    holder: kept && { processId: kept.processId, fingerprint: kept.fingerprint, stamp: kept.stamp },
    dnsmasq:
      dnsmasq === undefined || state === 'gone'
        ? undefined
        : { processId: dnsmasq.processId, state, fingerprint: dnsmasq.fingerprint },
    namespace:
      kept === undefined
        ? { addresses: new Set(), udpPorts: new Set() }
        : await viewNamespace(kept.processId),
    reservations,
    names,
    owed: owed !== undefined,
  }
}
