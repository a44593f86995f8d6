import type { Announcement } from '../announce/announce.ts'
import type { PortDesired } from '../desired.ts'
import { partBridge } from '../names.ts'

/** What the wire is told of a port that has come to this host. Pure. */
export function announcementOf(port: PortDesired, addresses: readonly string[]): Announcement {
  const { mac, devices } = port
  return port.path === 'direct'
    ? { bridge: partBridge('direct', port.switch), device: devices.tap, mac, addresses }
    : { bridge: port.switch, device: devices.outer, mac, addresses }
}
