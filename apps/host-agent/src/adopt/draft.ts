import { resourceName } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { VHOST_SOCKET } from '@purlin/storage'
import type { ForeignMachine } from '@purlin/virt'
import type { Image } from '../service/images.ts'

/** What a draft rests on beside the domain. */
export interface DraftGrounds {
  readonly catalogue: Catalogue
  readonly images: ReadonlyMap<string, Image>
  /** The block daemon's folder of sockets; absent where the host serves no storage. */
  readonly volumeSockets: string | undefined
  /** The host of the domain; absent on a host that is alone. */
  readonly host: string | undefined
}

/** Into which port group a NIC goes. */
export interface NicPlace {
  readonly mac: string
  readonly portGroup: string
}

/** The machine that a foreign domain would be. */
export interface AdoptionDraft {
  readonly manifest: {
    readonly kind: 'VirtualMachine'
    readonly name: string
    readonly spec: object
  }
  /** Why it cannot be taken in, a sentence each; empty: it can. */
  readonly obstacles: readonly string[]
  /** What is otherwise from its next start on, a sentence each. */
  readonly changes: readonly string[]
}

/** The manifest of the machine that a foreign domain would be, and what stands against it. Pure. */
export function draftAdoption(
  foreign: ForeignMachine,
  places: readonly NicPlace[],
  grounds: DraftGrounds,
): AdoptionDraft {
  const { catalogue, images, host } = grounds
  const { name, uuid, cpus, memoryMiB, state } = foreign
  const obstacles = [...foreign.obstacles]
  if (!resourceName.safeParse(name).success) {
    obstacles.push(`its name ${name} is none of a resource: virsh domrename gives it another`)
  }
  if (catalogue.get('VirtualMachine', name) !== undefined) {
    obstacles.push(`there is a VirtualMachine named ${name} already`)
  }
  const image = [...images].find(
    ([, { kernel, initrd, commandLine }]) =>
      kernel === foreign.kernel && initrd === foreign.initrd && commandLine === foreign.commandLine,
  )
  if (foreign.kernel !== '' && image === undefined) {
    const known = [...images.keys()].join(', ') || 'none'
    obstacles.push(
      `it boots ${foreign.kernel} with "${foreign.commandLine}", as no image here does: ${known}`,
    )
  }
  const nics = nicsOf(foreign, places, catalogue, obstacles)
  const disks = disksOf(foreign, grounds, obstacles)
  const spec = {
    ...(host !== undefined && { host }),
    ...{ image: image?.[0] ?? '', uuid, cpus, memoryMiB },
    powerState: state === 'paused' || state === 'stopped' ? state : 'running',
    ...(nics.length > 0 && { nics }),
    ...(disks.length > 0 && { disks }),
  }
  const manifest = { kind: 'VirtualMachine', name, spec } as const
  return { manifest, obstacles, changes: [...foreign.leaves, ...nicChanges(foreign)] }
}

function nicChanges({ nics, state }: ForeignMachine): string[] {
  if (nics.length === 0) return []
  const until =
    state === 'stopped'
      ? ''
      : '; until then they stay where they are, and no rule is in force for them'
  return [`its NICs are plugged into their port groups and filtered from its next start on${until}`]
}

/** A NIC goes where it is told to, else into the port group of its bridge and VLAN. */
function nicsOf(
  foreign: ForeignMachine,
  places: readonly NicPlace[],
  catalogue: Catalogue,
  obstacles: string[],
): object[] {
  const asked = new Map(places.map(({ mac, portGroup }) => [mac.toLowerCase(), portGroup]))
  for (const mac of asked.keys()) {
    if (foreign.nics.some((nic) => nic.mac === mac)) continue
    const known = foreign.nics.map((nic) => nic.mac).join(', ') || 'none'
    obstacles.push(`it has no NIC with the MAC ${mac}; it has: ${known}`)
  }
  return foreign.nics.flatMap(({ mac, plugged }, index) => {
    const fitting = catalogue
      .list('PortGroup')
      .filter(({ manifest: { spec } }) => {
        return plugged !== undefined && spec.switch === plugged.bridge && spec.vlan === plugged.vlan
      })
      .map(({ manifest }) => manifest.name)
    const portGroup = asked.get(mac) ?? (fitting.length === 1 ? fitting[0] : undefined)
    if (portGroup === undefined) {
      const found =
        fitting.length > 1
          ? `fits several port groups: ${fitting.join(', ')}`
          : 'fits no port group'
      obstacles.push(`NIC ${mac} ${found}; say which it is to have: --nic ${mac}=PORTGROUP`)
      return []
    }
    if (catalogue.get('PortGroup', portGroup) === undefined) {
      obstacles.push(`NIC ${mac}: no PortGroup named ${portGroup}`)
    }
    return [{ name: `eth${index}`, portGroup, mac }]
  })
}

/** Its disks as volumes; those that are none are obstacles already. */
function disksOf(
  { disks }: ForeignMachine,
  { catalogue, volumeSockets }: DraftGrounds,
  obstacles: string[],
): object[] {
  return disks.flatMap(({ attach, name, socket, target, volume: said }) => {
    if (attach === '') return []
    const ending = attach === 'nbd' ? '.sock' : VHOST_SOCKET
    const isHere = volumeSockets !== undefined && socket.startsWith(`${volumeSockets}/`)
    const volume = isHere ? socket.slice(volumeSockets.length + 1, -ending.length) : ''
    const isWhole = socket === `${volumeSockets}/${volume}${ending}`
    const standing = catalogue.get('Volume', volume)
    if (!isWhole || standing === undefined || (attach === 'nbd' && said !== volume)) {
      obstacles.push(`disk ${target} at ${socket} is no volume of this host`)
      return []
    }
    if (attach === 'nbd' && name === '') {
      obstacles.push(`disk ${target} has no serial number, by which Purlin’s disks are named`)
      return []
    }
    return [{ name: attach === 'nbd' ? name : target, volume, ...(attach !== 'nbd' && { attach }) }]
  })
}
