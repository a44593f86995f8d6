import { PurlinError } from '@purlin/base'
import type { PortDevices } from '@purlin/schema'
import type { PortDesired } from '../desired.ts'
import { bridgeWords, runBatch } from '../links/batch.ts'
import { finishChecksums } from '../links/checksum.ts'
import { cableBridge, type Link, readLinks } from '../links/link.ts'
import { bridgesCanFilter, silenceIpv6 } from '../links/silence.ts'
import { aliasOf, PORT_MARK } from '../mark.ts'
import { portDifferences, portWanted } from '../plan/port.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { dropSwitchPort, ensureSwitchPort } from './switch-port.ts'
import { refuseForeignLink } from './taken.ts'

/** Makes or mends a port: its own bridge, the cable from it to the switch, the switch's port. What
 *  stands is left in place, so that a running machine loses nothing. Reads back. Errors:
 *  PUR_SWITCH_NAME_TAKEN, PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function plug(context: ExecuteContext, port: PortDesired): Promise<void> {
  const { devices } = port
  const what = `plug ${port.port}`
  if (port.path === 'direct') {
    await ensureSwitchPort(context, devices.tap, portWanted(port))
    return
  }
  if (!(await bridgesCanFilter())) {
    throw new PurlinError('PUR_LINK_FAILED', {
      message: `${what}: the kernel has no br_netfilter, so frames of the port would pass unfiltered; load it: modprobe br_netfilter`,
    })
  }
  const names = [devices.bridge, devices.inner, devices.outer, devices.tap]
  const links = await readLinks(context.run, names, context.signal)
  const alias = aliasOf(PORT_MARK, port.port)
  for (const name of [devices.bridge, devices.inner, devices.outer]) {
    refuseForeignLink(what, links.get(name), alias)
  }
  const cable = links.has(devices.inner) && links.has(devices.outer)
  if (!cable) {
    // Open vSwitch holds on to a device that went away and does not take its successor.
    await dropSwitchPort(context, devices.outer, { [PORT_MARK]: port.port })
  }
  await runBatch(context.run, what, creation(port, links, alias), { signal: context.signal })
  await silenceIpv6([devices.bridge, devices.inner, devices.outer])
  await finishChecksums(context.run, devices.inner, { signal: context.signal })
  await runBatch(context.run, what, joining(port, links), { signal: context.signal })
  await ensureSwitchPort(context, devices.outer, portWanted(port))
  const left = portDifferences(port, await readBack(context, names))
  if (left.length > 0) {
    throw new PurlinError('PUR_LINK_FAILED', {
      message: `${what}: done, but read back ${left.join(', ')}`,
    })
  }
}

/** Removes a port's switch port, cable and bridge; links that are not marked as its own stay.
 *  Errors: PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function unplug(
  context: ExecuteContext,
  port: string,
  devices: PortDevices,
): Promise<void> {
  for (const device of [devices.outer, devices.tap]) {
    await dropSwitchPort(context, device, { [PORT_MARK]: port })
  }
  const names = [devices.bridge, devices.inner, devices.outer]
  const alias = aliasOf(PORT_MARK, port)
  const links = await readLinks(context.run, names, context.signal)
  const ours = names.filter((name) => links.get(name)?.alias === alias)
  // A cable goes with either of its ends.
  const commands = ours
    .filter((name) => name !== devices.outer || !ours.includes(devices.inner))
    .map((name) => `link delete dev ${name}`)
  await runBatch(context.run, `unplug ${port}`, commands, { signal: context.signal })
}

function creation(
  port: PortDesired,
  links: ReadonlyMap<string, Link>,
  alias: string,
): readonly string[] {
  const { bridge, inner, outer } = port.devices
  const halves = [inner, outer].filter((name) => links.has(name))
  const commands: string[] = []
  if (!links.has(bridge)) {
    commands.push(`link add name ${bridge} type bridge ${bridgeWords(cableBridge)}`)
    commands.push(`link set dev ${bridge} alias ${alias}`)
  }
  if (halves.length < 2) {
    for (const half of halves) commands.push(`link delete dev ${half}`)
    commands.push(
      `link add name ${inner} mtu ${port.mtu} type veth peer name ${outer} mtu ${port.mtu}`,
    )
    for (const name of [inner, outer]) commands.push(`link set dev ${name} alias ${alias}`)
  }
  return commands
}

function joining(port: PortDesired, links: ReadonlyMap<string, Link>): readonly string[] {
  const { bridge, inner, outer, tap } = port.devices
  return [
    `link set dev ${bridge} type bridge ${bridgeWords(cableBridge)}`,
    `link set dev ${inner} mtu ${port.mtu} master ${bridge}`,
    `link set dev ${outer} mtu ${port.mtu}`,
    ...(links.get(tap)?.up === true ? [`link set dev ${tap} master ${bridge}`] : []),
    `link set dev ${bridge} mtu ${port.mtu}`,
    ...[bridge, inner, outer].map((name) => `link set dev ${name} up`),
  ]
}
