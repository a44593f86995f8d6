import { PurlinError } from '@purlin/base'
import type { PortDevices } from '@purlin/schema'
import type { PortDesired } from '../desired.ts'
import { bridgeWords, runBatch } from '../links/batch.ts'
import { finishChecksumsOf } from '../links/checksum.ts'
import { deleteLinks } from '../links/delete.ts'
import { makingWords, markWords, readWholeLinks } from '../links/half-made.ts'
import { cableBridge, type Link, readLinks } from '../links/link.ts'
import { bridgesCanFilter, silenceIpv6 } from '../links/silence.ts'
import { aliasOf, PORT_MARK } from '../mark.ts'
import { portDifferences, portWanted } from '../plan/port.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { dropSwitchPorts, ensureSwitchPorts } from './switch-port.ts'
import { refuseForeignLink } from './taken.ts'

type Links = ReadonlyMap<string, Link>

/** Makes or mends ports, all of them or an error: of each its own bridge, the cable from it to the
 *  switch, the switch's port. What stands is left in place, so that a running machine loses
 *  nothing. Reads back. Errors: PUR_SWITCH_NAME_TAKEN, PUR_LINK_FAILED, PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function plug(context: ExecuteContext, ports: readonly PortDesired[]): Promise<void> {
  const what = whatOf('plug', ports)
  const filterable = ports.filter(({ path }) => path !== 'direct')
  const names = filterable.flatMap(({ devices }) => [...partsOf(devices), devices.tap])
  if (filterable.length > 0) await makeCables(context, what, filterable, names)
  await ensureSwitchPorts(
    context,
    ports.map((port) => ({
      name: port.path === 'direct' ? port.devices.tap : port.devices.outer,
      wanted: portWanted(port),
    })),
  )
  if (filterable.length === 0) return
  const observed = await readBack(context, names)
  for (const port of filterable) {
    const left = portDifferences(port, observed)
    if (left.length === 0) continue
    throw new PurlinError('PUR_LINK_FAILED', {
      message: `plug ${port.port}: done, but read back ${left.join(', ')}`,
    })
  }
}

/** Removes the switch ports, cables and bridges of ports; links that are not marked as their own
 *  stay. Errors: PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function unplug(
  context: ExecuteContext,
  ports: readonly { readonly port: string; readonly devices: PortDevices }[],
): Promise<void> {
  await dropSwitchPorts(
    context,
    ports.flatMap(({ port, devices }) =>
      [devices.outer, devices.tap].map((name) => ({ name, marks: { [PORT_MARK]: port } })),
    ),
  )
  const names = ports.flatMap(({ devices }) => partsOf(devices))
  const links = await readLinks(context.run, names, context.signal)
  const going = ports.flatMap(({ port, devices }) => {
    const alias = aliasOf(PORT_MARK, port)
    const ours = partsOf(devices).filter((name) => links.get(name)?.alias === alias)
    // A cable goes with either of its ends.
    return ours.filter((name) => name !== devices.outer || !ours.includes(devices.inner))
  })
  await deleteLinks(context.run, whatOf('unplug', ports), going, context.signal)
}

async function makeCables(
  context: ExecuteContext,
  what: string,
  ports: readonly PortDesired[],
  names: readonly string[],
): Promise<void> {
  const { run, signal } = context
  if (!(await bridgesCanFilter())) {
    throw new PurlinError('PUR_LINK_FAILED', {
      message: `${what}: the kernel has no br_netfilter, so frames of the port would pass unfiltered; load it: modprobe br_netfilter`,
    })
  }
  const links = await readWholeLinks(run, names, signal)
  for (const { port, devices } of ports) {
    for (const name of partsOf(devices)) {
      refuseForeignLink(`plug ${port}`, links.get(name), aliasOf(PORT_MARK, port))
    }
  }
  const cut = ports.filter(
    ({ devices: { inner, outer } }) => !links.has(inner) || !links.has(outer),
  )
  // Open vSwitch holds on to a device that went away and does not take its successor.
  await dropSwitchPorts(
    context,
    cut.map(({ port, devices }) => ({ name: devices.outer, marks: { [PORT_MARK]: port } })),
  )
  const creations = ports.flatMap((port) => creation(port, links))
  await runBatch(run, what, creations, { signal })
  await silenceIpv6(ports.flatMap(({ devices }) => partsOf(devices)))
  const inner = ports.map(({ devices }) => devices.inner)
  await finishChecksumsOf(run, inner, signal)
  const joinings = ports.flatMap((port) => joining(port, links))
  await runBatch(run, what, joinings, { signal })
}

function partsOf({ bridge, inner, outer }: PortDevices): readonly string[] {
  return [bridge, inner, outer]
}

/** Names a group by its first member. */
function whatOf(verb: string, ports: readonly { readonly port: string }[]): string {
  const [first, ...others] = ports.map(({ port }) => port)
  return `${verb} ${first}${others.length === 0 ? '' : ` and ${others.length} others`}`
}

function creation(port: PortDesired, links: Links): readonly string[] {
  const { bridge, inner, outer } = port.devices
  const alias = aliasOf(PORT_MARK, port.port)
  const halves = [inner, outer].filter((name) => links.has(name))
  const commands: string[] = []
  if (!links.has(bridge)) {
    commands.push(`link add name ${bridge} ${makingWords} type bridge ${bridgeWords(cableBridge)}`)
    commands.push(`link set dev ${bridge} ${markWords(alias)}`)
  }
  if (halves.length < 2) {
    for (const half of halves) commands.push(`link delete dev ${half}`)
    const end = (name: string): string => `name ${name} ${makingWords} mtu ${port.mtu}`
    commands.push(`link add ${end(inner)} type veth peer ${end(outer)}`)
    for (const name of [inner, outer]) {
      commands.push(`link set dev ${name} ${markWords(alias)}`)
    }
  }
  return commands
}

function joining(port: PortDesired, links: Links): readonly string[] {
  const { bridge, inner, outer, tap } = port.devices
  return [
    ...(links.has(bridge)
      ? [`link set dev ${bridge} type bridge ${bridgeWords(cableBridge)}`]
      : []),
    `link set dev ${inner} mtu ${port.mtu} master ${bridge}`,
    `link set dev ${outer} mtu ${port.mtu}`,
    ...(links.get(tap)?.up === true ? [`link set dev ${tap} master ${bridge}`] : []),
    `link set dev ${bridge} mtu ${port.mtu}`,
    ...partsOf(port.devices).map((name) => `link set dev ${name} up`),
  ]
}
