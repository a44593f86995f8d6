import type { MirrorDesired, PortDesired, VswitchDesired } from '../desired.ts'
import { MIRROR_MARK } from '../mark.ts'
import { mirrorPort } from '../names.ts'
import type { MirrorObserved, VswitchObserved } from '../observed.ts'
import { switchPortDifferences } from './port.ts'
import type { SwitchPortWanted } from './wanted.ts'

/** A mirror of a bridge as it should stand, ports by device. */
export interface MirrorWanted {
  readonly name: string
  readonly mark: string
  /** Ports of which what machines send is copied. */
  readonly sources: readonly string[]
  /** Ports of which what machines receive is copied. */
  readonly destinations: readonly string[]
  readonly output: string
  /** The port of a tunnel, where the copies go elsewhere. */
  readonly tunnel?: SwitchPortWanted
}

/** The mirrors of a switch of which a source and the target are on this host. Pure. */
export function mirrorsWanted(
  switchName: string,
  { mirrors = [], ports }: VswitchDesired,
): readonly MirrorWanted[] {
  const filterable = new Map(
    ports.filter(({ path }) => path !== 'direct').map((port) => [port.port, port]),
  )
  return mirrors
    .filter((mirror) => mirror.switch === switchName)
    .flatMap((mirror) => mirrorWanted(mirror, filterable))
}

/** What of the mirrors of a switch is not as wanted, in words. Pure. */
export function mirrorDifferences(
  switchName: string,
  wanted: readonly MirrorWanted[],
  observed: VswitchObserved,
): readonly string[] {
  const standing = observed.bridges.get(switchName)?.mirrors ?? []
  const ours = standing.filter(({ mark }) => mark !== undefined)
  const kept = new Set(wanted.map(({ mark }) => mark))
  return [
    ...wanted.flatMap((mirror) => {
      const found = ours.find(({ mark }) => mark === mirror.mark)
      const { tunnel } = mirror
      return [
        ...(found !== undefined && sameMirror(found, mirror)
          ? []
          : [`mirror ${mirror.name} is ${found === undefined ? 'missing' : 'another'}`]),
        ...(tunnel === undefined ? [] : switchPortDifferences(mirror.output, tunnel, observed)),
      ]
    }),
    ...ours
      .filter(({ mark }) => !kept.has(mark ?? ''))
      .map(({ name }) => `mirror ${name} is not wanted any more`),
    ...strayMirrorPorts(switchName, wanted, observed).map((port) => `${port} mirrors no longer`),
  ]
}

/** Ports of tunnels of mirrors that are gone. Pure. */
export function strayMirrorPorts(
  switchName: string,
  wanted: readonly MirrorWanted[],
  observed: VswitchObserved,
): readonly string[] {
  const kept = new Set(wanted.map(({ output }) => output))
  return [...observed.switchPorts.values()]
    .filter(({ bridge, externalIds }) => bridge === switchName && MIRROR_MARK in externalIds)
    .filter(({ name }) => !kept.has(name))
    .map(({ name }) => name)
}

function mirrorWanted(
  mirror: MirrorDesired,
  ports: ReadonlyMap<string, PortDesired>,
): readonly MirrorWanted[] {
  const mark = `${mirror.switch}:${mirror.name}`
  const copied = mirror.ports.flatMap((name) => ports.get(name)?.devices.outer ?? [])
  const { to } = mirror
  const output =
    'port' in to ? ports.get(to.port)?.devices.outer : mirrorPort(mirror.switch, mirror.name)
  const sources = copied.filter((device) => device !== output)
  if (output === undefined || sources.length === 0) return []
  return [
    {
      name: mirror.name,
      mark,
      sources: mirror.direction === 'inbound' ? [] : sources,
      destinations: mirror.direction === 'outbound' ? [] : sources,
      output,
      ...(!('port' in to) && {
        tunnel: {
          bridge: mirror.switch,
          tag: undefined,
          trunks: [],
          externalIds: { [MIRROR_MARK]: mark },
          interfaceIds: {},
          interfaces: [
            {
              name: output,
              type: to.tunnel,
              options: { remote_ip: to.address, ...(to.key > 0 && { key: String(to.key) }) },
            },
          ],
        },
      }),
    },
  ]
}

function sameMirror(found: MirrorObserved, wanted: MirrorWanted): boolean {
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    [...a].sort().join(' ') === [...b].sort().join(' ')
  return (
    found.output === wanted.output &&
    same(found.sources, wanted.sources) &&
    same(found.destinations, wanted.destinations)
  )
}
