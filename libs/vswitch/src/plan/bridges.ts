import { PurlinError, parseAddress } from '@purlin/base'
import type { OverlayDesired, SwitchDesired } from '../desired.ts'
import { PART_MARK, partMark, SWITCH_MARK, UPLINK_MARK } from '../mark.ts'
import { partBridge, patchPorts, tunnelPort } from '../names.ts'
import type { BridgeWanted, SwitchPortWanted } from './wanted.ts'

/** What a tunnel adds to a frame: an outer frame of IPv6, UDP, its own header with room for
 *  options. */
const TUNNEL_OVERHEAD_BYTES = 114

/** The bridges of a switch: its own, and where it has tunnels one for them and one for the network
 *  that carries them. `direct`: whether this host has direct ports of it. Pure. */
export function bridgesWanted(wanted: SwitchDesired, direct: boolean): readonly BridgeWanted[] {
  const { name, mtu, overlay } = wanted
  const uplinks = uplinkPorts(wanted, overlay === undefined ? name : partBridge('underlay', name))
  const own: BridgeWanted = {
    name,
    marks: { [SWITCH_MARK]: name },
    failMode: 'standalone',
    mtu,
    ports: new Map([
      ...(overlay === undefined ? uplinks : [patchTo('tunnels', name)]),
      ...(direct ? [patchTo('direct', name)] : []),
    ]),
  }
  return [
    own,
    ...(overlay === undefined ? [] : overlayBridges(wanted, overlay, uplinks)),
    ...(direct ? [directBridge(wanted)] : []),
  ]
}

/** The bridge of direct ports: without flows nothing passes, and flows alone say who gets what. */
function directBridge({ name, mtu }: SwitchDesired): BridgeWanted {
  return {
    name: partBridge('direct', name),
    marks: { [PART_MARK]: partMark('direct', name) },
    failMode: 'secure',
    mtu,
    ports: new Map([patchFrom('direct', name)]),
  }
}

function overlayBridges(
  { name, mtu }: SwitchDesired,
  overlay: OverlayDesired,
  uplinks: readonly (readonly [string, SwitchPortWanted])[],
): readonly BridgeWanted[] {
  const bridge = partBridge('tunnels', name)
  const tunnels: BridgeWanted = {
    name: bridge,
    marks: { [PART_MARK]: partMark('tunnels', name) },
    failMode: 'secure',
    mtu,
    ports: new Map([
      patchFrom('tunnels', name),
      ...overlay.peers.map(({ host, address }): [string, SwitchPortWanted] => {
        const port = tunnelPort(name, host)
        const options = {
          key: 'flow',
          remote_ip: address,
          local_ip: addressOf(overlay.underlay),
          dst_port: String(overlay.udpPort),
          ...(addressOf(address).includes(':') && { csum: 'true' }),
        }
        return [port, partPort('tunnels', name, bridge, port, overlay.type, options)]
      }),
    ]),
  }
  if (uplinks.length === 0) return [tunnels]
  const underlay: BridgeWanted = {
    name: partBridge('underlay', name),
    marks: { [PART_MARK]: partMark('underlay', name) },
    failMode: 'standalone',
    mtu: mtu + TUNNEL_OVERHEAD_BYTES,
    address: overlay.underlay,
    ports: new Map(uplinks),
  }
  return [underlay, tunnels]
}

/** The ports of a switch's uplinks: trunks of every VLAN, marked with the switch's name. */
function uplinkPorts(
  wanted: SwitchDesired,
  bridge: string,
): readonly (readonly [string, SwitchPortWanted])[] {
  return wanted.uplinks.map((uplink) => {
    const bond = wanted.bonds?.find(({ name }) => name === uplink)
    return [
      uplink,
      {
        bridge,
        tag: undefined,
        trunks: [],
        externalIds: { [UPLINK_MARK]: wanted.name },
        interfaceIds: {},
        ...(bond !== undefined && {
          interfaces: bond.members.map((name) => ({ name, type: '', options: {} })),
          bond:
            bond.mode === 'lacp'
              ? { mode: 'balance-tcp', lacp: 'active' }
              : { mode: bond.mode, lacp: 'off' },
        }),
      },
    ] as const
  })
}

/** Devices of the host that the switch's uplinks are made of. Pure. */
export function uplinkDevices({ uplinks, bonds }: SwitchDesired): readonly string[] {
  return uplinks.flatMap(
    (uplink) => bonds?.find(({ name }) => name === uplink)?.members ?? [uplink],
  )
}

function patchTo(part: 'tunnels' | 'direct', name: string): readonly [string, SwitchPortWanted] {
  const { onSwitch, onPart } = patchPorts(part, name)
  return [onSwitch, partPort(part, name, name, onSwitch, 'patch', { peer: onPart })]
}

function patchFrom(part: 'tunnels' | 'direct', name: string): readonly [string, SwitchPortWanted] {
  const { onSwitch, onPart } = patchPorts(part, name)
  const bridge = partBridge(part, name)
  return [onPart, partPort(part, name, bridge, onPart, 'patch', { peer: onSwitch })]
}

function partPort(
  part: string,
  switchName: string,
  bridge: string,
  name: string,
  type: string,
  options: Readonly<Record<string, string>>,
): SwitchPortWanted {
  return {
    bridge,
    tag: undefined,
    trunks: [],
    externalIds: { [PART_MARK]: partMark(part, switchName) },
    interfaceIds: {},
    interfaces: [{ name, type, options }],
    ...(type === 'patch' && { mayWait: 'for-peer' as const }),
  }
}

/** The address of `ADDRESS/LENGTH` or of an address. Errors: PUR_INVALID. */
function addressOf(text: string): string {
  const address = text.split('/')[0] ?? ''
  if (parseAddress(address) !== undefined) return address
  throw new PurlinError('PUR_INVALID', { message: `"${text}" is no address of an underlay` })
}
