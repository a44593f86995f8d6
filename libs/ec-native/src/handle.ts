import { ecAddon } from './addon.ts'
import { invalid } from './errors.ts'

const NONE = -1

/** Codecs and plans of the addon that nobody can reach any more are released. */
const codecs = new FinalizationRegistry<number>((handle) => ecAddon().releaseCodec(handle))
const plans = new FinalizationRegistry<number>((handle) => ecAddon().releasePlan(handle))

const kinds = {
  codec: { registry: codecs, release: (handle: number) => ecAddon().releaseCodec(handle) },
  'decode plan': { registry: plans, release: (handle: number) => ecAddon().releasePlan(handle) },
} as const

/** The number by which the addon knows a codec or a plan, released once. */
export class Handle implements Disposable {
  readonly #kind: keyof typeof kinds
  #value: number

  constructor(kind: keyof typeof kinds, value: number) {
    this.#kind = kind
    this.#value = value
    kinds[kind].registry.register(this, value, this)
  }

  /** Errors: PUR_EC_INVALID where it was released. */
  get value(): number {
    if (this.#value === NONE) throw invalid(`the ${this.#kind} was disposed of already`)
    return this.#value
  }

  [Symbol.dispose](): void {
    if (this.#value === NONE) return
    kinds[this.#kind].registry.unregister(this)
    kinds[this.#kind].release(this.#value)
    this.#value = NONE
  }
}
