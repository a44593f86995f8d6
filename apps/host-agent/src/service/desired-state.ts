import type { Run } from '@purlin/base'
import type { NetfilterDesired } from '@purlin/netfilter'
import type { AcceleratorFinding, VirtDesired } from '@purlin/virt'
import type { VswitchDesired } from '@purlin/vswitch'
import type { Configuration } from '../config/config.ts'
import { netfilterDesired } from '../desired/netfilter.ts'
import { virtDesired } from '../desired/virt.ts'
import { vswitchDesired } from '../desired/vswitch.ts'
import type { Catalogue, CatalogueFollower } from '../resources/catalogue.ts'
import { findAccelerator } from './accelerator.ts'
import { type Image, readImages } from './images.ts'

/** A lane's desired state and the revision it was made from. */
export interface DesiredAt<Value> {
  readonly value: Value
  readonly revision: number
}

/** What each lane should bring about, made from the catalogue once a revision. */
export class DesiredState {
  readonly #configuration: Configuration
  readonly #catalogue: CatalogueFollower
  readonly #run: Run
  readonly #made = new Map<string, DesiredAt<unknown>>()
  #images: ReadonlyMap<string, Image> = new Map()
  #accelerator: AcceleratorFinding = { kind: 'tcg', reason: 'not looked yet' }

  constructor(configuration: Configuration, catalogue: CatalogueFollower, run: Run) {
    this.#configuration = configuration
    this.#catalogue = catalogue
    this.#run = run
  }

  /** Looks for images and, when there is one, for how machines run here. */
  async refresh(): Promise<void> {
    const { machines, state, images } = this.#configuration
    const found = await readImages(images.folder)
    const kernel = [...found.values()][0]?.kernel
    const accelerator = await findAccelerator(machines.accelerator, state.folder, kernel, this.#run)
    const same = accelerator.kind === this.#accelerator.kind && sameImages(found, this.#images)
    this.#images = found
    this.#accelerator = accelerator
    if (!same) this.#made.delete('virt')
  }

  async imageNames(): Promise<readonly string[]> {
    await this.refresh()
    return [...this.#images.keys()]
  }

  /** How machines run here, as found last. */
  accelerator(): AcceleratorFinding {
    return this.#accelerator
  }

  netfilter(): DesiredAt<NetfilterDesired> {
    return this.#once('netfilter', netfilterDesired)
  }

  vswitch(): DesiredAt<VswitchDesired> {
    return this.#once('vswitch', vswitchDesired)
  }

  virt(): DesiredAt<VirtDesired> {
    return this.#once('virt', (catalogue) => this.#machines(catalogue))
  }

  /** What a lane would have to bring about for another catalogue. */
  laneOf(lane: string, catalogue: Catalogue): unknown {
    if (lane === 'netfilter') return netfilterDesired(catalogue)
    return lane === 'vswitch' ? vswitchDesired(catalogue) : this.#machines(catalogue)
  }

  #machines(catalogue: Catalogue): VirtDesired {
    return virtDesired(catalogue, {
      images: this.#images,
      accelerator: this.#accelerator.kind,
      logFolder: this.#configuration.machines.logFolder,
    })
  }

  #once<Value>(lane: string, make: (catalogue: Catalogue) => Value): DesiredAt<Value> {
    const catalogue = this.#catalogue.current()
    const made = this.#made.get(lane)
    if (made?.revision === catalogue.revision) return made as DesiredAt<Value>
    const fresh = { value: make(catalogue), revision: catalogue.revision }
    this.#made.set(lane, fresh)
    return fresh
  }
}

function sameImages(a: ReadonlyMap<string, Image>, b: ReadonlyMap<string, Image>): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b])
}
