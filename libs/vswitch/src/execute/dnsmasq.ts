import { rename } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import { inNamespace } from '../links/batch.ts'
import { configurationFingerprint } from '../plan/service.ts'
import {
  closedFolderAbove,
  filesOf,
  makeFolder,
  readText,
  removeAll,
  writeWhole,
} from '../services/folder.ts'
import { questionsOf } from '../services/probe.ts'
import { type ProcessIdentity, stateOf } from '../services/process.ts'
import type { ServiceDesired } from '../services/service.ts'
import { viewNamespace } from '../services/sockets.ts'
import type { ExecuteContext } from './context.ts'
import { endNamespaceOf } from './namespace.ts'

const READY_DEADLINE_MS = 5_000
const LOG_SHOWN_CHARACTERS = 500

/** Ends dnsmasq, and whatever else is in the service's namespace beside its holder. */
export async function stopDnsmasq(
  context: ExecuteContext,
  holder: ProcessIdentity,
  folder: string,
): Promise<void> {
  await endNamespaceOf(context, holder.processId, holder.processId)
  await removeAll(filesOf(folder).dnsmasq)
}

/** Starts dnsmasq in the service's namespace, detached so that it outlives the agent, and
 *  returns when its sockets are open. Errors: PUR_DHCP_FAILED with the end of its log. */
export async function startDnsmasq(
  context: ExecuteContext,
  service: ServiceDesired,
  holder: ProcessIdentity,
  folder: string,
): Promise<void> {
  const files = filesOf(folder)
  await refuseClosedFolder(context, service)
  await stopDnsmasq(context, holder, folder)
  for (const needed of [files.reservations, files.names]) await makeFolder(needed)
  await writeWhole(folder, 'dnsmasq.conf', service.configuration ?? '')
  await rename(files.log, `${files.log}.previous`).catch(() => {})
  const [program = '', ...args] = inNamespace(holder.processId, [
    'dnsmasq',
    '--keep-in-foreground',
    `--conf-file=${files.configuration}`,
  ])
  const identity = context.launch(program, args, files.log)
  const fingerprint = configurationFingerprint(service)
  const started = { ...identity, fingerprint, questions: questionsOf(service) }
  await writeWhole(folder, 'dnsmasq.json', JSON.stringify(started))

  const endMs = context.clock.monotonicMs() + READY_DEADLINE_MS
  while (context.clock.monotonicMs() < endMs && stateOf(identity) !== 'gone') {
    const { udpPorts } = await viewNamespace(holder.processId)
    if (service.sockets.every((port) => udpPorts.has(port))) return
    await context.clock.sleep(10, context.signal)
  }
  const words = (await readText(files.log))?.trim().slice(-LOG_SHOWN_CHARACTERS)
  const found = stateOf(identity) === 'gone' ? 'it ended' : 'its sockets did not open'
  throw new PurlinError('PUR_DHCP_FAILED', {
    message: `start dnsmasq for port group ${service.portGroup}: ${found} within ${READY_DEADLINE_MS} ms: ${words || 'it said nothing'}`,
    context: { portGroup: service.portGroup },
  })
}

/** dnsmasq reads reservations after it has become its user, and would only log that it cannot. */
async function refuseClosedFolder(context: ExecuteContext, service: ServiceDesired): Promise<void> {
  const { runFolder, serviceUser } = context.settings
  const closed = serviceUser === 'root' ? undefined : await closedFolderAbove(runFolder)
  if (closed === undefined) return
  throw new PurlinError('PUR_DHCP_FAILED', {
    message: `start dnsmasq for port group ${service.portGroup}: its user ${serviceUser} cannot enter ${closed}; allow it: chmod o+x ${closed}`,
    context: { portGroup: service.portGroup },
  })
}
