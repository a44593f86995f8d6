import { devicesOf } from '@purlin/schema'
import type {
  PortDesired,
  PortGroupDesired,
  ReservationDesired,
  SwitchDesired,
  VswitchDesired,
} from '../../src/index.ts'

/** Device key of the n-th machine. */
export function keyOf(number: number): string {
  return number.toString(16).padStart(8, '0')
}

/** MAC address of the n-th machine. */
export function macOf(number: number): string {
  return `52:54:00:00:00:${number.toString(16).padStart(2, '0')}`
}

/** The n-th machine's NIC in a VLAN of `dvs0`. */
export function portOf(number: number, vlan: number): PortDesired {
  return {
    port: `vm-${number}.eth0`,
    portGroup: 'prod',
    switch: 'dvs0',
    vlan,
    trunk: [],
    mac: macOf(number),
    mtu: 1500,
    devices: devicesOf(keyOf(number)),
  }
}

/** The n-th machine's reservation: its addresses end in `host`, which is its number by default. */
export function reservationOf(number: number, host = number): ReservationDesired {
  return {
    hostName: `vm-${number}`,
    mac: macOf(number),
    ipv4: [`10.77.0.${host}`],
    ipv6: [`fd77::${host}`],
  }
}

export const dvs0: SwitchDesired = { name: 'dvs0', mtu: 1500, uplinks: [] }

/** Port group `prod` in VLAN 100, served here. */
export function prodGroup(reservations: readonly ReservationDesired[]): PortGroupDesired {
  return {
    name: 'prod',
    switch: 'dvs0',
    vlan: 100,
    mtu: 1500,
    served: true,
    subnets: [
      {
        cidr: '10.77.0.0/24',
        gateway: '10.77.0.1',
        dhcp: { from: '10.77.0.50', to: '10.77.0.99', leaseSeconds: 3600 },
      },
      {
        cidr: 'fd77::/64',
        gateway: 'fd77::1',
        dhcp: { from: 'fd77::50', to: 'fd77::99', leaseSeconds: 3600 },
      },
    ],
    dns: { domain: 'prod.example', forwarders: [] },
    reservations,
  }
}

export const nothing: VswitchDesired = { switches: [], portGroups: [], ports: [] }

/** Machines 50 and 51 in VLAN 100 with `prod` served, machine 52 in VLAN 200. */
export const everything: VswitchDesired = {
  switches: [dvs0],
  portGroups: [prodGroup([reservationOf(50), reservationOf(51)])],
  ports: [portOf(50, 100), portOf(51, 100), portOf(52, 200)],
}
