import { dirname } from 'node:path'
import { PurlinError } from '@purlin/base'
import { routerDevice } from '@purlin/schema'
import { announceAddresses } from '../announce/announce.ts'
import { type ExecuteContext, readBack } from '../execute/context.ts'
import { endNamespaceOf, enter, startHolder } from '../execute/namespace.ts'
import { dropSwitchPort, ensureSwitchPort } from '../execute/switch-port.ts'
import { refuseForeignLink } from '../execute/taken.ts'
import { joinSettings, routerBirthSettings } from '../inside/kernel-settings.ts'
import { listInside } from '../inside/listing.ts'
import { runBatch } from '../links/batch.ts'
import { finishChecksums } from '../links/checksum.ts'
import { makingWords, markWords, readWholeLinks } from '../links/half-made.ts'
import { readLinks } from '../links/link.ts'
import { silenceIpv6 } from '../links/silence.ts'
import { aliasOf, nameOfAlias, ROUTER_MARK } from '../mark.ts'
import { makeFolder, removeAll } from '../services/folder.ts'
import { observeServices, type ServiceObserved } from '../services/observe.ts'
import { identityOf, type ProcessIdentity } from '../services/process.ts'
import type { ExternalDesired, RouterDesired } from './desired.ts'
import { externalPortWanted, routerDifferences } from './differences.ts'
import { forgetConnections } from './forget.ts'
import { portGroupPlace, routerPlace } from './look-inside.ts'
import { routerRules } from './rules.ts'
import {
  cable,
  EXTERNAL_DEVICE,
  legDevice,
  localAfterMarks,
  PORT_GROUP_END,
  portGroupSettings,
  routerSettings,
} from './settings.ts'
import {
  devicesOf,
  observeRouter,
  type RouterState,
  readState,
  routerFingerprint,
  routerFolder,
  stampOf,
  type Told,
  writeState,
} from './state.ts'
import { stillTold, tellNamespace, unstated } from './tell.ts'

/** Makes or mends a router on this host: its namespace, the cables to the port groups it joins, its
 *  external side, routes, neighbours and rules. What stands stays, and so do translated
 *  connections; namespaces of `again` are told everything. Reads back. Errors: PUR_ROUTER_FAILED,
 *  PUR_SWITCH_NAME_TAKEN, PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function route(
  context: ExecuteContext,
  router: RouterDesired,
  again: readonly string[] = [],
): Promise<void> {
  const what = `route by ${router.name}`
  const { runFolder } = context.settings
  const folder = routerFolder(runFolder, router.name)
  const services = await observeServices(runFolder)
  const holders = new Map(
    router.legs.map(({ portGroup }) => [portGroup, servedBy(what, portGroup, services)]),
  )
  const holder = await ensureHolder(context, what, router.name, folder)
  const before = await readState(folder)
  const told: Record<string, Told> = {}

  const fresh: string[] = []
  await removeStrayLegs(context, what, router, holder)
  for (const leg of router.legs) {
    const group = holders.get(leg.portGroup)
    if (group === undefined) continue
    await enter(context, what, group, ['sysctl', '-e', '-q', '-w', ...joinSettings(true)])
    const made = await ensureLeg(context, what, leg.portGroup, leg.mtu, holder, group)
    if (made) fresh.push(legDevice(leg.portGroup))
    const settings = portGroupSettings(leg)
    const last = again.includes(leg.portGroup) ? undefined : before.told[leg.portGroup]
    const known = stillTold(last, group.stamp, made ? [PORT_GROUP_END] : [])
    await tellNamespace(context, what, group.processId, known, settings)
    told[leg.portGroup] = { stamp: group.stamp, settings }
  }
  await leavePortGroups(context, what, before, new Set(holders.keys()), services)
  const remade = await ensureExternal(context, what, router, holder)
  if (remade) fresh.push(EXTERNAL_DEVICE)
  const settings = routerSettings(router)
  const stamp = stampOf(holder)
  const known = stillTold(again.includes('') ? undefined : before.told[''], stamp, fresh)
  await tellNamespace(context, what, holder.processId, known, settings)
  await enter(context, what, holder, ['nft', '-f', '-'], routerRules(router))
  told[''] = { stamp, settings }
  await forgetConnections(context, holder.processId, goneFrom(before.answered, router.answered))
  const stamps = router.legs.map(({ portGroup }) => holders.get(portGroup)?.stamp ?? '')
  const fingerprint = routerFingerprint(router, stamps)
  // What was mended is held against what stood before, so that what goes meanwhile is seen.
  const isMended = fresh.length === 0 && before.fingerprint === fingerprint
  const inside = isMended
    ? before.inside
    : await writtenInside(context, what, router, { holder, holders, told })
  await writeState(folder, { fingerprint, told, answered: router.answered, inside })
  await announceNew(context, router, remade ? [] : before.answered)

  const observed = {
    ...(await readBack(context, [routerDevice(router.name)])),
    services: await observeServices(runFolder),
    routers: new Map([[router.name, await observeRouter(runFolder, router.name)]]),
  }
  const left = routerDifferences(router, observed)
  if (left.length > 0) throw routerFailed(`${what}: done, but read back: ${left.join(', ')}`)
}

/** Removes a router from this host; the port groups it joined go on alone. Errors:
 *  PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE, PUR_DHCP_FAILED when a process of its
 *  namespace does not end. */
export async function unroute(context: ExecuteContext, name: string): Promise<void> {
  const what = `take router ${name} away`
  const { runFolder } = context.settings
  const folder = routerFolder(runFolder, name)
  await dropExternal(context, what, name)
  const { holder } = await observeRouter(runFolder, name)
  const services = await observeServices(runFolder)
  await leavePortGroups(context, what, await readState(folder), new Set(), services)
  if (holder !== undefined) await endNamespaceOf(context, holder.processId)
  await removeAll(folder)
}

/** How often a setting that does not stay is told. */
const TELL_TRIES = 3

type Held = ProcessIdentity & { readonly stamp: string }

function servedBy(
  what: string,
  portGroup: string,
  services: ReadonlyMap<string, ServiceObserved>,
): Held {
  const found = services.get(portGroup)?.holder
  const identity = found && identityOf(found.processId)
  if (found === undefined || identity === undefined) {
    throw routerFailed(
      `${what}: port group ${portGroup} is not served here yet; the next plan tries again`,
    )
  }
  return { ...identity, stamp: found.stamp }
}

async function ensureHolder(
  context: ExecuteContext,
  what: string,
  name: string,
  folder: string,
): Promise<ProcessIdentity> {
  const { holder } = await observeRouter(context.settings.runFolder, name)
  if (holder !== undefined) return holder
  await dropExternal(context, what, name)
  for (const needed of [context.settings.runFolder, dirname(folder), folder]) {
    await makeFolder(needed)
  }
  const started = await startHolder(context, what, folder, routerBirthSettings)
  await tellNamespace(context, what, started.processId, [], localAfterMarks.settings)
  for (const family of ['inet', 'inet6']) {
    const words = ['ip', '-family', family, ...localAfterMarks.instead.split(' ')]
    await enter(context, what, started, words)
  }
  await enter(context, what, started, ['ip', 'link', 'set', 'lo', 'up'])
  return started
}

/** What stands in each namespace now that the router is done with it. What went away meanwhile is
 *  told again, so that it is not missing in what is written down. */
async function writtenInside(
  context: ExecuteContext,
  what: string,
  { name }: RouterDesired,
  made: {
    readonly holder: ProcessIdentity
    readonly holders: ReadonlyMap<string, Held>
    readonly told: Readonly<Record<string, Told>>
  },
): Promise<RouterState['inside']> {
  const { holder, holders, told } = made
  const all = [
    { place: '', kept: routerPlace(name, holder.processId, []), stamp: stampOf(holder) },
    ...[...holders].map(([portGroup, { processId, stamp }]) => ({
      ...{ place: portGroup, kept: portGroupPlace(portGroup, processId, true), stamp },
    })),
  ]
  const written = all.map(async ({ place, kept, stamp }) => {
    for (let tries = 1; ; tries++) {
      const lines = await listInside(context.run, kept, context.signal)
      const gone = unstated(told[place]?.settings ?? [], lines)
      if (gone.length === 0) return [place, { stamp, lines }] as const
      if (tries === TELL_TRIES) {
        throw routerFailed(`${what}: told, but read back without: ${gone[0]?.apply}`)
      }
      await tellNamespace(context, what, kept.processId, [], gone)
    }
  })
  return Object.fromEntries(await Promise.all(written))
}

/** Whether the cable had to be made. */
async function ensureLeg(
  context: ExecuteContext,
  what: string,
  portGroup: string,
  mtu: number,
  holder: ProcessIdentity,
  group: ProcessIdentity,
): Promise<boolean> {
  const device = legDevice(portGroup)
  const [inRouter, inGroup] = await Promise.all([
    devicesOf(holder.processId),
    devicesOf(group.processId),
  ])
  const stands = inRouter.has(device) && inGroup.has(PORT_GROUP_END)
  if (!stands) {
    const delays = { signal: context.signal }
    if (inRouter.has(device)) {
      const options = { ...delays, namespaceOf: holder.processId }
      await runBatch(context.run, what, [`link delete dev ${device}`], options)
    } else if (inGroup.has(PORT_GROUP_END)) {
      const options = { ...delays, namespaceOf: group.processId }
      await runBatch(context.run, what, [`link delete dev ${PORT_GROUP_END}`], options)
    }
    const ends = [
      `name ${device} address ${cable.router.mac} mtu ${mtu} netns ${holder.processId}`,
      `name ${PORT_GROUP_END} address ${cable.portGroup.mac} mtu ${mtu} netns ${group.processId}`,
    ]
    await runBatch(context.run, what, [`link add ${ends[0]} type veth peer ${ends[1]}`], delays)
  }
  for (const [name, identity] of [
    [device, holder],
    [PORT_GROUP_END, group],
  ] as const) {
    const options = { signal: context.signal, namespaceOf: identity.processId }
    const commands = [`link set dev ${name} addrgenmode none`, `link set dev ${name} mtu ${mtu} up`]
    await runBatch(context.run, what, commands, options)
  }
  return !stands
}

async function removeStrayLegs(
  context: ExecuteContext,
  what: string,
  router: RouterDesired,
  holder: ProcessIdentity,
): Promise<void> {
  const wanted = new Set(router.legs.map(({ portGroup }) => legDevice(portGroup)))
  const stray = [...(await devicesOf(holder.processId))].filter(
    (device) => device.startsWith('leg-') && !wanted.has(device),
  )
  const options = { signal: context.signal, namespaceOf: holder.processId }
  await runBatch(
    context.run,
    what,
    stray.map((device) => `link delete dev ${device}`),
    options,
  )
}

/** Undoes what port groups were told that the router joins no longer. */
async function leavePortGroups(
  context: ExecuteContext,
  what: string,
  before: RouterState,
  kept: ReadonlySet<string>,
  services: ReadonlyMap<string, ServiceObserved>,
): Promise<void> {
  for (const [portGroup, { stamp, settings }] of Object.entries(before.told)) {
    const found = services.get(portGroup)?.holder
    const identity = found && identityOf(found.processId)
    if (portGroup === '' || kept.has(portGroup) || found?.stamp !== stamp || !identity) continue
    await enter(context, what, identity, ['sysctl', '-e', '-q', '-w', ...joinSettings(false)])
    await tellNamespace(context, what, identity.processId, settings, [])
    if ((await devicesOf(identity.processId)).has(PORT_GROUP_END)) {
      const options = { signal: context.signal, namespaceOf: identity.processId }
      await runBatch(context.run, what, [`link delete dev ${PORT_GROUP_END}`], options)
    }
  }
}

/** Whether the cable of the external side had to be made. */
async function ensureExternal(
  context: ExecuteContext,
  what: string,
  router: RouterDesired,
  holder: ProcessIdentity,
): Promise<boolean> {
  const { external } = router
  if (external === undefined) {
    await dropExternal(context, what, router.name)
    return false
  }
  const device = routerDevice(router.name)
  const alias = aliasOf(ROUTER_MARK, router.name)
  const link = (await readWholeLinks(context.run, [device], context.signal)).get(device)
  refuseForeignLink(what, link, alias)
  const inside = await devicesOf(holder.processId)
  const stands = link !== undefined && inside.has(EXTERNAL_DEVICE)
  if (!stands) {
    await dropExternal(context, what, router.name)
    await makeExternalCable(context, what, device, alias, external, holder)
  }
  const { mac, mtu } = external
  await runBatch(
    context.run,
    what,
    [`link set dev ${EXTERNAL_DEVICE} address ${mac} mtu ${mtu} up`],
    { signal: context.signal, namespaceOf: holder.processId },
  )
  await runBatch(context.run, what, [`link set dev ${device} mtu ${mtu} up`], {
    signal: context.signal,
  })
  await ensureSwitchPort(context, device, externalPortWanted(router.name, external))
  return !stands
}

async function makeExternalCable(
  context: ExecuteContext,
  what: string,
  device: string,
  alias: string,
  { mac, mtu }: ExternalDesired,
  holder: ProcessIdentity,
): Promise<void> {
  const inside = `name ${EXTERNAL_DEVICE} address ${mac} mtu ${mtu} netns ${holder.processId}`
  const commands = [
    `link add name ${device} ${makingWords} mtu ${mtu} type veth peer ${inside}`,
    `link set dev ${device} ${markWords(alias)}`,
  ]
  await runBatch(context.run, what, commands, { signal: context.signal })
  await silenceIpv6([device])
  await finishChecksums(context.run, EXTERNAL_DEVICE, {
    signal: context.signal,
    namespaceOf: holder.processId,
  })
}

async function dropExternal(context: ExecuteContext, what: string, router: string): Promise<void> {
  const device = routerDevice(router)
  await dropSwitchPort(context, device, { [ROUTER_MARK]: router })
  const link = (await readLinks(context.run, [device], context.signal)).get(device)
  if (nameOfAlias(ROUTER_MARK, link?.alias) !== router) return
  await runBatch(context.run, what, [`link delete dev ${device}`], { signal: context.signal })
}

/** Tells the wire of addresses that this host answers for from now on. */
async function announceNew(
  context: ExecuteContext,
  { name, external, answered }: RouterDesired,
  before: readonly string[],
): Promise<void> {
  const addresses = goneFrom(answered, before)
  if (external === undefined || addresses.length === 0) return
  const device = routerDevice(name)
  await announceAddresses(context, {
    bridge: external.switch,
    device,
    mac: external.mac,
    addresses,
  })
}

/** Those of `list` that are not in `other`. */
function goneFrom(list: readonly string[], other: readonly string[]): readonly string[] {
  return list.filter((one) => !other.includes(one))
}

function routerFailed(message: string): PurlinError {
  return new PurlinError('PUR_ROUTER_FAILED', { message })
}
