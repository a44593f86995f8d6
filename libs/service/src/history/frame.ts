/** How values stand in a file of the history: each frame is told against the one before.
 *
 *     frame   time:varint (milliseconds since 1970), then tokens until every series has its value
 *     token   varint n; the last two bits say what it is, the rest is a number r
 *        0    the next r+1 values are as before
 *        1    a value of the same decimals as before: zigzag(r) is the step of its mantissa
 *        2    a value of r decimals; the zigzag mantissa follows as a varint
 *        3    a value as it stands in memory: 8 bytes, least significant first
 *
 *  A counter that went up by 512 takes two bytes, one that stands still shares one with its
 *  neighbours. Every value comes back exactly. */
import type { ByteReader, ByteWriter } from './bytes.ts'

const MAXIMUM_DECIMALS = 6
/** Four times the zigzag of a larger step would not be exact as a number. */
const LARGEST_MANTISSA = 2 ** 49
const RAW = -1
const POWERS = Array.from({ length: MAXIMUM_DECIMALS + 1 }, (_, decimals) => 10 ** decimals)

/** The values of the frame before, as the writer and the reader both know them. */
export class FrameState {
  readonly values: Float64Array
  readonly #mantissas: Float64Array
  readonly #decimals: Int8Array

  /** Before the first frame every value is 0. */
  constructor(series: number) {
    this.values = new Float64Array(series)
    this.#mantissas = new Float64Array(series)
    this.#decimals = new Int8Array(series)
  }

  /** Writes a frame and takes its values over. Shape: as many values as series. */
  encode(timeMs: number, values: Float64Array, into: ByteWriter): void {
    into.varint(timeMs)
    let same = 0
    for (let index = 0; index < this.values.length; index += 1) {
      const value = values[index] ?? 0
      if (Object.is(value, this.values[index])) {
        same += 1
        continue
      }
      if (same > 0) into.varint((same - 1) * 4)
      same = 0
      this.#encodeValue(index, value, into)
    }
    if (same > 0) into.varint((same - 1) * 4)
  }

  /** Reads a frame and takes its values over; gives its time, or undefined for what is no frame. */
  decode(from: ByteReader): number | undefined {
    const timeMs = from.varint()
    for (let index = 0; index < this.values.length; ) {
      const token = from.varint()
      if (token === undefined) return undefined
      const rest = Math.floor(token / 4)
      if (token % 4 === 0) {
        index += rest + 1
      } else {
        if (!this.#decodeValue(index, token % 4, rest, from)) return undefined
        index += 1
      }
    }
    return timeMs
  }

  #encodeValue(index: number, value: number, into: ByteWriter): void {
    const before = this.#decimals[index] ?? RAW
    const sameDecimals = before === RAW ? undefined : mantissaOf(value, before)
    if (sameDecimals !== undefined) {
      into.varint(zigzag(sameDecimals - (this.#mantissas[index] ?? 0)) * 4 + 1)
      this.#keep(index, value, before, sameDecimals)
      return
    }
    for (let decimals = 0; decimals <= MAXIMUM_DECIMALS; decimals += 1) {
      const mantissa = mantissaOf(value, decimals)
      if (mantissa === undefined) continue
      into.varint(decimals * 4 + 2)
      into.varint(zigzag(mantissa))
      this.#keep(index, value, decimals, mantissa)
      return
    }
    into.varint(3)
    into.double(value)
    this.#keep(index, value, RAW, 0)
  }

  #decodeValue(index: number, kind: number, rest: number, from: ByteReader): boolean {
    if (kind === 3) {
      const value = from.double()
      if (value === undefined) return false
      this.#keep(index, value, RAW, 0)
      return true
    }
    const before = this.#decimals[index] ?? RAW
    const decimals = kind === 1 ? before : rest
    const power = POWERS[decimals]
    const step = kind === 1 ? rest : from.varint()
    if (power === undefined || step === undefined) return false
    const mantissa = unzigzag(step) + (kind === 1 ? (this.#mantissas[index] ?? 0) : 0)
    this.#keep(index, mantissa / power, decimals, mantissa)
    return true
  }

  #keep(index: number, value: number, decimals: number, mantissa: number): void {
    this.values[index] = value
    this.#decimals[index] = decimals
    this.#mantissas[index] = mantissa
  }
}

/** The whole number that, divided by ten to the power of `decimals`, is exactly the value. */
function mantissaOf(value: number, decimals: number): number | undefined {
  const power = POWERS[decimals] ?? 1
  // Minus zero, which no mantissa tells, becomes zero here and fails below.
  const mantissa = Math.round(value * power) + 0
  if (!(Math.abs(mantissa) < LARGEST_MANTISSA)) return undefined
  return Object.is(mantissa / power, value) ? mantissa : undefined
}

function zigzag(number: number): number {
  return number < 0 ? -2 * number - 1 : 2 * number
}

function unzigzag(number: number): number {
  return number % 2 === 1 ? -(number + 1) / 2 : number / 2
}
