import { DEFAULT_GRACE_SECONDS, devicesOf, type SpecOf } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { VHOST_SOCKET } from '@purlin/storage'
import type { MachineDesired, VirtDesired, VolumeDiskSpec } from '@purlin/virt'
import { whileReverting } from '../machine-snapshots/record.ts'
import { machineUuid } from '../machines/machine-uuid.ts'
import type { Image } from '../service/images.ts'
import { runsOn } from './local-nics.ts'
import { pathOf } from './port-traffic.ts'
import { bytesOfVolume } from './storage.ts'

const LETTERS = 'abcdefghijklmnop'
/** Where the sockets would be on a host that serves no storage: the machine waits for them. */
const NO_SOCKETS = '/run/purlin-blockd'

/** What machines are made from beside their resources. */
export interface MachineGrounds {
  readonly images: ReadonlyMap<string, Image>
  readonly accelerator: 'kvm' | 'tcg'
  readonly logFolder: string
  /** Where the sockets of serial ports are. */
  readonly runFolder: string
  /** Where the memory of machines' snapshots is. */
  readonly memoryFolder?: string
  /** The block daemon's folder of sockets; absent where the host serves no storage. */
  readonly volumeSockets?: string | undefined
  /** The host whose machines are wanted. */
  readonly host?: string
}

/** What the machines of this host should be. A machine whose image is not here is untold, so that
 *  one that runs goes on when the folder of images is away; its status says so. Pure. */
export function virtDesired(catalogue: Catalogue, grounds: MachineGrounds): VirtDesired {
  const own = catalogue
    .list('VirtualMachine')
    .filter(({ manifest }) => runsOn(manifest, grounds.host))
  const isUntold = (record: (typeof own)[number]): boolean =>
    !grounds.images.has(record.manifest.spec.image)
  return {
    untold: own.filter(isUntold).map((record) => machineUuid(record)),
    machines: own.flatMap((record): MachineDesired[] => {
      const { name, spec } = record.manifest
      const image = grounds.images.get(spec.image)
      if (image === undefined) return []
      return [
        {
          name,
          uuid: machineUuid(record),
          cpus: spec.cpus,
          ...(spec.maximumCpus !== undefined && { maximumCpus: spec.maximumCpus }),
          memoryMiB: spec.memoryMiB,
          ...(spec.maximumMemoryMiB !== undefined && { maximumMemoryMiB: spec.maximumMemoryMiB }),
          ...(spec.ioThreads !== undefined && { ioThreads: spec.ioThreads }),
          powerState: spec.powerState,
          ...whileReverting(catalogue, record, grounds.memoryFolder),
          ...(spec.restart && { restart: spec.restart }),
          ...(spec.autostart === false && { autostart: false }),
          graceMs: (spec.stopGraceSeconds ?? DEFAULT_GRACE_SECONDS) * 1_000,
          generation: record.generation,
          boot: image,
          accelerator: grounds.accelerator,
          nics: spec.nics.flatMap((nic) => {
            const path = pathOf({ nic }, catalogue)
            const port = catalogue.get('Port', `${name}.${nic.name}`)?.manifest
            const group = catalogue.get('PortGroup', nic.portGroup)?.manifest.spec
            if (port === undefined || group === undefined) return []
            const devices = devicesOf(port.spec.deviceKey)
            return [
              {
                port: port.name,
                mac: port.spec.mac,
                // The switch takes the tap of a direct port itself.
                ...(path !== 'direct' && { bridgeDevice: devices.bridge }),
                tapDevice: devices.tap,
                mtu: catalogue.get('DistributedSwitch', group.switch)?.manifest.spec.mtu ?? 1500,
                ...(nic.queues !== undefined && { queues: nic.queues }),
              },
            ]
          }),
          ...(spec.disks.length > 0 && { disks: disksOf(spec, catalogue, grounds.volumeSockets) }),
          serialLogFile: `${grounds.logFolder}/${name}.serial.log`,
          serialSocket: `${grounds.runFolder}/${machineUuid(record)}.serial`,
          display: spec.display !== 'none',
        },
      ]
    }),
  }
}

function disksOf(
  { disks, ioThreads }: SpecOf<'VirtualMachine'>,
  catalogue: Catalogue,
  sockets: string = NO_SOCKETS,
): readonly VolumeDiskSpec[] {
  return disks.map(({ name, volume, attach, limits, queues }, index) => {
    const sizeGiB = catalogue.get('Volume', volume)?.manifest.spec.sizeGiB
    return {
      target: `vd${LETTERS[index]}`,
      attach,
      name,
      volume,
      socket: `${sockets}/${volume}${attach === 'nbd' ? '.sock' : VHOST_SOCKET}`,
      ...(sizeGiB !== undefined && { sizeBytes: bytesOfVolume(sizeGiB) }),
      ...(limits !== undefined && { limits }),
      ...(queues !== undefined && { queues }),
      // By vhost-user the block daemon has threads of its own.
      ...(ioThreads !== undefined && attach === 'nbd' && { ioThread: (index % ioThreads) + 1 }),
    }
  })
}
