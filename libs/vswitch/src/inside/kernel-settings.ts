import { PORT_GROUP_END } from '../router/settings.ts'
import { INSIDE_DEVICE } from '../services/service.ts'

/** Kernel settings of the namespaces, each `NAME=VALUE` as sysctl takes them. */
export type KernelSettings = readonly string[]

/** What the namespace of a port group is born with, before its device comes: IPv6 on whatever the
 *  host's default is, addresses usable at once, nothing learnt from others' advertisements. */
const ALWAYS: KernelSettings = [
  'net.ipv6.conf.all.disable_ipv6=0',
  'net.ipv6.conf.default.disable_ipv6=0',
  'net.ipv6.conf.default.accept_ra=0',
  'net.ipv6.conf.default.accept_dad=0',
]

/** What a router's namespace is born with: it forwards, learns nothing from others, tells nobody of
 *  better ways, and answers for an address only on the device that has it. */
export const routerBirthSettings: KernelSettings = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.default.send_redirects=0',
  'net.ipv4.conf.all.arp_ignore=1',
  'net.ipv4.conf.all.arp_announce=2',
  'net.ipv6.conf.all.forwarding=1',
  ...ALWAYS,
]

/** What a port group's namespace is born with: nothing is forwarded. */
export const gatewayBirthSettings: KernelSettings = [...forwarding(0), ...ALWAYS]

/** What a port group's namespace is set to when a router joins it, and when it leaves. */
export function joinSettings(isJoined: boolean): KernelSettings {
  return [
    ...forwarding(isJoined ? 1 : 0),
    'net.ipv4.conf.all.send_redirects=0',
    'net.ipv4.conf.default.send_redirects=0',
  ]
}

/** What shall hold inside the namespace of a port group. Pure. */
export function gatewayKernelSettings(isJoined: boolean): KernelSettings {
  if (!isJoined) return gatewayBirthSettings
  const devices = [INSIDE_DEVICE, PORT_GROUP_END]
  return [...joinSettings(true), ...ALWAYS, ...devices.flatMap(forwardingOf)]
}

/** What shall hold inside the namespace of a router with these devices. Pure. */
export function routerKernelSettings(devices: Iterable<string>): KernelSettings {
  const joined = [...devices].filter((device) => device !== 'lo')
  return [...routerBirthSettings, ...joined.toSorted().flatMap(forwardingOf)]
}

/** Those settings that have another value by the words of sysctl (`NAME = VALUE`, a line each).
 *  What this kernel does not have is not missed. Pure. */
export function otherSettings(wanted: KernelSettings, told: string): KernelSettings {
  const found = new Map(
    told.split('\n').map((line): [string, string] => {
      const [name = '', value = ''] = line.split(/\s*=\s*/)
      return [name.trim(), value.trim()]
    }),
  )
  return wanted.filter((setting) => {
    const [name = '', value] = setting.split('=')
    const standing = found.get(name)
    return standing !== undefined && standing !== value
  })
}

function forwarding(on: 0 | 1): KernelSettings {
  return [`net.ipv4.ip_forward=${on}`, `net.ipv6.conf.all.forwarding=${on}`]
}

function forwardingOf(device: string): KernelSettings {
  return ['ipv4', 'ipv6'].map((family) => `net.${family}.conf.${device}.forwarding=1`)
}
