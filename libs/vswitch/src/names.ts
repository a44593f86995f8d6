import { shortHash } from '@purlin/base'

/** The parts that a switch may have beside its bridge, as words of their marks. */
export type SwitchPart = 'tunnels' | 'underlay' | 'direct'

const prefixes = { tunnels: 'ptun', underlay: 'pund', direct: 'pdir' } as const

/** The bridge of a switch's part: a name that the kernel can hold, made of the switch's. */
export function partBridge(part: SwitchPart, switchName: string): string {
  return `${prefixes[part]}-${shortHash(`switch ${switchName}`, 8)}`
}

/** The two ends of the cable between a switch and its part: the end on the switch, the end on the
 *  part. */
export function patchPorts(part: 'tunnels' | 'direct', switchName: string): PatchPorts {
  const hash = shortHash(`switch ${switchName}`, 8)
  const letter = part === 'tunnels' ? 't' : 'd'
  return { onSwitch: `pp${letter}s-${hash}`, onPart: `pp${letter}p-${hash}` }
}

export interface PatchPorts {
  readonly onSwitch: string
  readonly onPart: string
}

/** The port of the tunnel to a host. */
export function tunnelPort(switchName: string, host: string): string {
  return `ptn-${shortHash(`tunnel ${switchName} ${host}`, 8)}`
}

/** The port of a mirror that ends elsewhere. */
export function mirrorPort(switchName: string, mirror: string): string {
  return `pmi-${shortHash(`mirror ${switchName} ${mirror}`, 8)}`
}

/** The port by which a switch's direct ports reach everything else: the name that their flows
 *  give it. */
export function outsideOf(switchName: string): string {
  return patchPorts('direct', switchName).onPart
}
