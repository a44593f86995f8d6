import { join } from 'node:path'
import { type Bmc, type Console, type ConsoleEvent, endOfRecording } from '@purlin/bmc'

const RECORDING_BYTES_MAX = 8 * 1_048_576
const RECORDED_BYTES_SHOWN = 65_536
const TAIL_CHARACTERS = 16_384

/** The consoles that are being recorded: from power-on until a life rests, and while somebody
 *  reads. A BMC has one session to give, so there is one recording a chassis. */
export class ConsoleKeeper {
  readonly #folder: string
  readonly #onTrouble: (chassis: string, thrown: unknown) => void
  readonly #consoles = new Map<string, Promise<Console | undefined>>()
  /** Who wants a console to stay: the life, and each reader. */
  readonly #holders = new Map<string, Set<object>>()
  readonly #live = new Map<string, Live>()

  constructor(folder: string, onTrouble: (chassis: string, thrown: unknown) => void) {
    this.#folder = folder
    this.#onTrouble = onTrouble
  }

  /** Begins to record, where the BMC offers a console; once however often it is asked. */
  async hold(chassis: string, bmc: Bmc, holder: object): Promise<Console | undefined> {
    const holders = this.#holders.get(chassis) ?? new Set()
    this.#holders.set(chassis, holders.add(holder))
    const known = this.#consoles.get(chassis) ?? this.#open(chassis, bmc)
    this.#consoles.set(chassis, known)
    return await known
  }

  /** Ends the recording when nobody holds it any more. */
  async release(chassis: string, holder: object): Promise<void> {
    const holders = this.#holders.get(chassis)
    holders?.delete(holder)
    if (holders === undefined || holders.size > 0) return
    this.#holders.delete(chassis)
    const console = this.#consoles.get(chassis)
    this.#consoles.delete(chassis)
    this.#live.delete(chassis)
    await (await console)?.close()
  }

  /** What the console said last, as printable text; empty where nothing is recorded. */
  tail(chassis: string): string {
    const console = this.#live.get(chassis)?.console
    return console === undefined ? '' : printable(console.tail())
  }

  /** What was said before, also in sessions that are over, then what is said, until the signal. The
   *  BMC is asked for a session only where somebody follows. Errors: PUR_BMC_UNSUPPORTED. */
  async *follow(
    chassis: string,
    bmc: Bmc,
    options: { readonly tailBytes: number; readonly follow: boolean; readonly nowMs: number },
    signal: AbortSignal,
  ): AsyncGenerator<ConsoleEvent, void, void> {
    const { tailBytes, follow, nowMs } = options
    const told = (bytes: Uint8Array): ConsoleEvent[] => {
      const last = tailBytes === 0 ? new Uint8Array() : bytes.slice(-tailBytes)
      return last.length === 0 ? [] : [{ kind: 'output', atMs: nowMs, bytes: last }]
    }
    if (!follow && !this.#consoles.has(chassis)) {
      yield* told(await endOfRecording(this.#options(chassis).file, tailBytes))
      return
    }
    const holder = {}
    try {
      const console =
        (await this.hold(chassis, bmc, holder)) ?? (await bmc.console(this.#options(chassis)))
      const events = console.read(signal)
      const tail = console.tail()
      const earlier = (await this.#live.get(chassis)?.earlier) ?? new Uint8Array()
      yield* told(Buffer.concat([earlier, tail]))
      if (follow) yield* events
    } finally {
      await this.release(chassis, holder)
    }
  }

  async close(): Promise<void> {
    const consoles = await Promise.all(this.#consoles.values())
    this.#consoles.clear()
    this.#holders.clear()
    this.#live.clear()
    await Promise.all(consoles.map((console) => console?.close()))
  }

  async #open(chassis: string, bmc: Bmc): Promise<Console | undefined> {
    try {
      const { file } = this.#options(chassis)
      // Read before the session says anything; nobody but a reader waits for it.
      const earlier = endOfRecording(file, RECORDED_BYTES_SHOWN)
      earlier.catch((thrown) => this.#onTrouble(chassis, thrown))
      const console = await bmc.console(this.#options(chassis))
      this.#live.set(chassis, { console, earlier })
      return console
    } catch (thrown) {
      // Redfish has none; work goes on without.
      this.#onTrouble(chassis, thrown)
      return undefined
    }
  }

  #options(chassis: string): { readonly file: string; readonly bytesMax: number } {
    return { file: join(this.#folder, `${chassis}.log`), bytesMax: RECORDING_BYTES_MAX }
  }
}

/** A console that is recorded now, and what its recording ended with when that began. */
interface Live {
  readonly console: Console
  readonly earlier: Promise<Uint8Array>
}

/** The end of a recording without the signs that move a terminal's cursor. Pure. */
export function printable(bytes: Uint8Array): string {
  const escapes = new RegExp(
    `${String.fromCharCode(27)}(\\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-Z]|.)`,
    'g',
  )
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(escapes, '')
    .replace(/\r+\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|\p{Cs}|[\u2028\u2029]/gu, '')
    .replace(/\n{3,}/g, '\n\n')
    .slice(-TAIL_CHARACTERS)
}
