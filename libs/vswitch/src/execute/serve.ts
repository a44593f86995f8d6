import { PurlinError } from '@purlin/base'
import { serviceDevice } from '@purlin/schema'
import { runBatch } from '../links/batch.ts'
import { readWholeLinks } from '../links/half-made.ts'
import { aliasOf, nameOfAlias, PORT_GROUP_MARK } from '../mark.ts'
import {
  configurationFingerprint,
  namespaceFingerprint,
  serviceDifferences,
  servicePortWanted,
} from '../plan/service.ts'
import { filesOf, removeAll } from '../services/folder.ts'
import { observeService, type ServiceObserved } from '../services/observe.ts'
import { identityOf, type ProcessIdentity } from '../services/process.ts'
import { type ServiceDesired, serviceFolder } from '../services/service.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { startDnsmasq, stopDnsmasq } from './dnsmasq.ts'
import { configureNamespace, endNamespaceOf, makeNamespace } from './namespace.ts'
import { reserve } from './reserve.ts'
import { dropSwitchPort, ensureSwitchPort } from './switch-port.ts'
import { refuseForeignLink } from './taken.ts'

/** Makes or mends the service of a port group: namespace, cable, switch port, addresses,
 *  dnsmasq. What runs well is left running, whoever started it. Reads back. Errors:
 *  PUR_SWITCH_NAME_TAKEN, PUR_DHCP_FAILED, PUR_LINK_FAILED, PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function serve(context: ExecuteContext, service: ServiceDesired): Promise<void> {
  const what = `serve port group ${service.portGroup}`
  const folder = folderOf(context, service.portGroup)
  const links = await readWholeLinks(context.run, [service.device], context.signal)
  const alias = aliasOf(PORT_GROUP_MARK, service.portGroup)
  refuseForeignLink(what, links.get(service.device), alias)

  const before = await observeService(context.settings.runFolder, service.portGroup)
  let holder = before.holder && identityOf(before.holder.processId)
  if (holder === undefined || !links.has(service.device)) {
    await takeDown(context, before)
    holder = await makeNamespace(context, service, folder)
  }
  const link = links.get(service.device)
  const configured =
    holder.processId === before.holder?.processId &&
    before.holder.fingerprint === namespaceFingerprint(service) &&
    service.addresses.every((address) => before.namespace.addresses.has(plainOf(address)))
  if (!configured || link?.up !== true || link.mtu !== service.mtu) {
    await configureNamespace(context, service, holder, folder)
  }
  await ensureSwitchPort(context, service.device, servicePortWanted(service))
  await ensureDnsmasq(context, service, holder, folder)

  const observed = {
    ...(await readBack(context, [service.device])),
    services: new Map([
      [service.portGroup, await observeService(context.settings.runFolder, service.portGroup)],
    ]),
  }
  const left = serviceDifferences(service, observed)
  if (left.length > 0) {
    throw new PurlinError('PUR_DHCP_FAILED', {
      message: `${what}: done, but read back: ${left.join(', ')}`,
      context: { portGroup: service.portGroup },
    })
  }
}

/** Brings the reservations and names of a running service up to date. Errors: PUR_DHCP_FAILED. */
export async function tellService(context: ExecuteContext, service: ServiceDesired): Promise<void> {
  const found = await observeService(context.settings.runFolder, service.portGroup)
  const holder = found.holder && identityOf(found.holder.processId)
  if (holder === undefined) {
    throw new PurlinError('PUR_DHCP_FAILED', {
      message: `tell the service of port group ${service.portGroup}: its namespace is gone; it is made again by the next plan`,
    })
  }
  await reserve(context, service, holder, folderOf(context, service.portGroup))
}

/** Ends a port group's service on this host and removes its files. Errors: PUR_DHCP_FAILED,
 *  PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function withdraw(context: ExecuteContext, portGroup: string): Promise<void> {
  await takeDown(context, await observeService(context.settings.runFolder, portGroup))
  await removeAll(folderOf(context, portGroup))
}

async function ensureDnsmasq(
  context: ExecuteContext,
  service: ServiceDesired,
  holder: ProcessIdentity,
  folder: string,
): Promise<void> {
  if (service.configuration === undefined) {
    await stopDnsmasq(context, holder, folder)
    return
  }
  const { dnsmasq, namespace } = await observeService(context.settings.runFolder, service.portGroup)
  const well =
    dnsmasq?.state === 'running' &&
    dnsmasq.fingerprint === configurationFingerprint(service) &&
    service.sockets.every((port) => namespace.udpPorts.has(port))
  if (!well) await startDnsmasq(context, service, holder, folder)
  await reserve(context, service, holder, folder)
}

/** Takes away the switch port, the cable and every process of a service, in the order in which
 *  nothing of it can answer half. */
async function takeDown(context: ExecuteContext, found: ServiceObserved): Promise<void> {
  const device = serviceDevice(found.portGroup)
  await dropSwitchPort(context, device, { [PORT_GROUP_MARK]: found.portGroup })
  const links = await readWholeLinks(context.run, [device], context.signal)
  if (nameOfAlias(PORT_GROUP_MARK, links.get(device)?.alias) === found.portGroup) {
    const what = `take down the service of port group ${found.portGroup}`
    await runBatch(context.run, what, [`link delete dev ${device}`], { signal: context.signal })
  }
  const members = [found.holder?.processId, found.dnsmasq?.processId]
  for (const member of members) if (member !== undefined) await endNamespaceOf(context, member)
  const files = filesOf(folderOf(context, found.portGroup))
  await removeAll(files.holder)
  await removeAll(files.dnsmasq)
}

function plainOf(address: string): string {
  return address.slice(0, address.indexOf('/'))
}

function folderOf(context: ExecuteContext, portGroup: string): string {
  return serviceFolder(context.settings.runFolder, portGroup)
}
