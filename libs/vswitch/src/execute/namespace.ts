import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { PurlinError } from '@purlin/base'
import { gatewayBirthSettings } from '../inside/kernel-settings.ts'
import { inNamespace, linkFailed, runBatch } from '../links/batch.ts'
import { finishChecksums } from '../links/checksum.ts'
import { makingWords, markWords } from '../links/half-made.ts'
import { silenceIpv6 } from '../links/silence.ts'
import { aliasOf, PORT_GROUP_MARK } from '../mark.ts'
import { namespaceFingerprint } from '../plan/service.ts'
import { filesOf, makeFolder, writeWhole } from '../services/folder.ts'
import { endNamespace, namespaceOf, type ProcessIdentity, stateOf } from '../services/process.ts'
import { INSIDE_DEVICE, type ServiceDesired } from '../services/service.ts'
import type { ExecuteContext } from './context.ts'

const HOLDER_DEADLINE_MS = 5_000
const ENTER_DEADLINE_MS = 10_000

/** Starts the process that keeps a service's network namespace and puts the service's cable into
 *  it. The namespace has no name: a named one is a mount, and does not outlive the private
 *  mounts of the agent's unit. It lives as long as its processes, which outlive the agent.
 *  Errors: PUR_DHCP_FAILED, PUR_LINK_FAILED, PUR_EXEC_NOT_FOUND. */
export async function makeNamespace(
  context: ExecuteContext,
  service: ServiceDesired,
  folder: string,
): Promise<ProcessIdentity> {
  const what = `serve port group ${service.portGroup}`
  for (const needed of [context.settings.runFolder, dirname(folder), folder]) {
    await makeFolder(needed)
  }
  const holder = await startHolder(context, what, folder, gatewayBirthSettings)
  const { device, mac, mtu } = service
  await runBatch(
    context.run,
    what,
    [
      `link add name ${device} ${makingWords} mtu ${mtu} type veth peer name ${INSIDE_DEVICE} address ${mac} mtu ${mtu} netns ${holder.processId}`,
      `link set dev ${device} ${markWords(aliasOf(PORT_GROUP_MARK, service.portGroup))}`,
    ],
    { signal: context.signal },
  )
  await silenceIpv6([device])
  await finishChecksums(context.run, INSIDE_DEVICE, {
    signal: context.signal,
    namespaceOf: holder.processId,
  })
  return holder
}

/** Starts the process that keeps a new network namespace, and gives that its `settings` (as sysctl
 *  takes them) before any device is in it. Errors: PUR_DHCP_FAILED, PUR_LINK_FAILED,
 *  PUR_EXEC_NOT_FOUND. */
export async function startHolder(
  context: ExecuteContext,
  what: string,
  folder: string,
  settings: readonly string[],
): Promise<ProcessIdentity> {
  const { log } = filesOf(folder)
  const holder = context.launch('unshare', ['--net', '--', 'sleep', 'infinity'], log)
  await writeWhole(folder, 'holder.json', JSON.stringify({ ...holder, fingerprint: '' }))
  await untilApart(context, what, holder)
  await enter(context, what, holder, ['sysctl', '-e', '-q', '-w', ...settings])
  return holder
}

/** Runs a command in the network namespace of a process. Errors: PUR_LINK_FAILED. */
export async function enter(
  context: ExecuteContext,
  what: string,
  holder: ProcessIdentity,
  command: readonly string[],
  input?: string,
): Promise<void> {
  const [program = '', ...args] = inNamespace(holder.processId, command)
  try {
    await context.run(program, args, {
      timeoutMs: ENTER_DEADLINE_MS,
      signal: context.signal,
      ...(input !== undefined && { input }),
    })
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
}

/** Gives the namespace the service's addresses and brings both ends of its cable up. What a router
 *  has told the namespace is lost, which the new stamp tells. Errors: PUR_LINK_FAILED. */
export async function configureNamespace(
  context: ExecuteContext,
  service: ServiceDesired,
  holder: ProcessIdentity,
  folder: string,
): Promise<void> {
  const what = `give port group ${service.portGroup} its gateway`
  const inside = `dev ${INSIDE_DEVICE}`
  await runBatch(
    context.run,
    what,
    [
      'link set dev lo up',
      `link set ${inside} address ${service.mac} mtu ${service.mtu}`,
      `address flush ${inside} scope global`,
      ...service.addresses.map(
        (address) => `address add ${address} ${inside}${address.includes(':') ? ' nodad' : ''}`,
      ),
      `link set ${inside} up`,
    ],
    { signal: context.signal, namespaceOf: holder.processId },
  )
  await runBatch(context.run, what, [`link set dev ${service.device} mtu ${service.mtu} up`], {
    signal: context.signal,
  })
  const { processId, startTicks } = holder
  const fingerprint = namespaceFingerprint(service)
  const nonce = randomBytes(8).toString('hex')
  const written = { processId, startTicks, fingerprint, nonce }
  await writeWhole(folder, 'holder.json', JSON.stringify(written))
}

/** Ends all processes of the namespace that `processId` is in, unless it is ours. */
export async function endNamespaceOf(
  context: ExecuteContext,
  processId: number,
  spared?: number,
): Promise<void> {
  const [theirs, ours] = await Promise.all([namespaceOf(processId), namespaceOf('self')])
  if (theirs === undefined || theirs === ours) return
  await endNamespace(theirs, context.clock, spared)
}

async function untilApart(
  context: ExecuteContext,
  what: string,
  holder: ProcessIdentity,
): Promise<void> {
  const ours = await namespaceOf('self')
  const endMs = context.clock.monotonicMs() + HOLDER_DEADLINE_MS
  while (context.clock.monotonicMs() < endMs && stateOf(holder) !== 'gone') {
    const theirs = await namespaceOf(holder.processId)
    if (theirs !== undefined && theirs !== ours) return
    await context.clock.sleep(5, context.signal)
  }
  throw new PurlinError('PUR_DHCP_FAILED', {
    message: `${what}: no network namespace was made within ${HOLDER_DEADLINE_MS} ms; the agent must run as root`,
  })
}
