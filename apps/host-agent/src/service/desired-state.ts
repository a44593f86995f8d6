import { isDeepStrictEqual } from 'node:util'
import type { Run } from '@purlin/base'
import type { NetfilterDesired } from '@purlin/netfilter'
import type { Catalogue } from '@purlin/service'
import type { StorageDesired } from '@purlin/storage'
import type { AcceleratorFinding, VirtDesired } from '@purlin/virt'
import type { VswitchDesired } from '@purlin/vswitch'
import type { Configuration } from '../config/config.ts'
import { netfilterDesired } from '../desired/netfilter.ts'
import { storageDesired } from '../desired/storage.ts'
import { virtDesired } from '../desired/virt.ts'
import { vswitchDesired } from '../desired/vswitch.ts'
import { memoryFolderOf } from '../machine-snapshots/memory-files.ts'
import type { LaneName } from '../status/host-view.ts'
import { findAccelerator } from './accelerator.ts'
import { type Image, readImages } from './images.ts'

/** A lane's desired state and the catalogue revision since which it has been this. */
export interface DesiredAt<Value> {
  readonly value: Value
  readonly revision: number
}

interface DesiredLanes {
  readonly netfilter: DesiredAt<NetfilterDesired>
  readonly vswitch: DesiredAt<VswitchDesired>
  readonly virt: DesiredAt<VirtDesired>
  readonly storage: DesiredAt<StorageDesired>
}

const LANES: readonly LaneName[] = ['netfilter', 'vswitch', 'virt', 'storage']

/** What each lane should bring about. A change that does not touch a lane does not wake it. */
export class DesiredState {
  readonly #configuration: Configuration
  readonly #run: Run
  #images: ReadonlyMap<string, Image> = new Map()
  #accelerator: AcceleratorFinding = { kind: 'tcg', reason: 'not looked yet' }
  #catalogue: Catalogue
  #lanes: DesiredLanes
  #arrived: ReadonlySet<string> = new Set()

  private constructor(configuration: Configuration, catalogue: Catalogue, run: Run) {
    this.#configuration = configuration
    this.#run = run
    this.#catalogue = catalogue
    this.#lanes = this.#lanesOf(catalogue)
  }

  /** Looks for images and makes the lanes' desired states of the catalogue. */
  static async open(
    configuration: Configuration,
    catalogue: Catalogue,
    run: Run,
  ): Promise<DesiredState> {
    const desired = new DesiredState(configuration, catalogue, run)
    await desired.refreshImages()
    return desired
  }

  /** Looks for images and, when there is one, for how machines run here. */
  async refreshImages(): Promise<void> {
    const { machines, state, images } = this.#configuration
    this.#images = await readImages(images.folder)
    const kernel = [...this.#images.values()][0]?.kernel
    this.#accelerator = await findAccelerator(machines.accelerator, state.folder, kernel, this.#run)
    this.advance(this.#catalogue)
  }

  /** Goes on to another catalogue; answers the lanes that have something new to bring about. */
  advance(catalogue: Catalogue): readonly LaneName[] {
    const before = this.#lanes
    const made = this.#lanesOf(catalogue)
    const keep = <Lane extends LaneName>(lane: Lane): DesiredLanes[Lane] =>
      isDeepStrictEqual(before[lane].value, made[lane].value) ? before[lane] : made[lane]
    this.#catalogue = catalogue
    this.#lanes = {
      netfilter: keep('netfilter'),
      vswitch: keep('vswitch'),
      virt: keep('virt'),
      storage: keep('storage'),
    }
    return LANES.filter((lane) => this.#lanes[lane] !== before[lane])
  }

  /** Goes on with the ports that have come to this host of late; answers as `advance`. */
  arrived(ports: ReadonlySet<string>): readonly LaneName[] {
    this.#arrived = ports
    return this.advance(this.#catalogue)
  }

  /** Names of the images here; looks again when one is asked for that was not there. */
  async imageNames(wanted: readonly string[]): Promise<readonly string[]> {
    if (wanted.some((name) => !this.#images.has(name))) await this.refreshImages()
    return [...this.#images.keys()]
  }

  /** How machines run here, as found last. */
  accelerator(): AcceleratorFinding {
    return this.#accelerator
  }

  /** What the lane should bring about now. */
  of<Lane extends LaneName>(lane: Lane): DesiredLanes[Lane] {
    return this.#lanes[lane]
  }

  /** Revision of the catalogue that all lanes' desired states are made of. */
  revision(): number {
    return this.#catalogue.revision
  }

  /** What a lane would have to bring about for another catalogue. */
  hypothetical(lane: string, catalogue: Catalogue): unknown {
    return this.#lanesOf(catalogue)[lane as LaneName].value
  }

  #lanesOf(catalogue: Catalogue): DesiredLanes {
    const { revision } = catalogue
    const { name: host } = this.#configuration.host
    const grounds = {
      images: this.#images,
      accelerator: this.#accelerator.kind,
      logFolder: this.#configuration.machines.logFolder,
      runFolder: this.#configuration.machines.runFolder,
      memoryFolder: memoryFolderOf(this.#configuration),
      volumeSockets: this.#configuration.storage?.sockets,
      host,
    }
    const policy = netfilterDesired(catalogue, this.#configuration.securityGroups, host)
    return {
      netfilter: { value: policy, revision },
      vswitch: { value: vswitchDesired(catalogue, host, policy, this.#arrived), revision },
      virt: { value: virtDesired(catalogue, grounds), revision },
      storage: { value: storageDesired(catalogue, this.#configuration.storage), revision },
    }
  }
}
