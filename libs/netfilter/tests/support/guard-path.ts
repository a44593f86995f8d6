import type { NetfilterDesired } from '../../src/policy/desired.ts'
import { sampleNic } from '../../src/testing/sample.ts'
import { endFrame } from './frames.ts'
import type { Wire } from './wire.ts'

/** Machines whose frames are written by hand, on one of the ways that enforces their groups. */
export interface GuardPath {
  enforce(desired: NetfilterDesired): Promise<void>
  /** Frames that rules of names that begin so have dropped. */
  dropped(origin: string): Promise<number>
  wire(letter: string): Wire
  stop(): Promise<void>
}

const REPEAT_MS = 250
const LIMIT_MS = 15_000
let numbers = 0

/** Sends frames from one machine, and says which of them another has got. Where `expected` is set,
 *  it waits until all have come; else a last frame, which every guard lets pass, says when those
 *  before it would have come. */
export async function arriving(
  path: GuardPath,
  [from, to]: readonly [from: string, to: string],
  frames: readonly string[],
  expected: boolean,
): Promise<readonly boolean[]> {
  const last = endFrame(
    { sourceMac: sampleNic(from, []).mac, destinationMac: sampleNic(to, []).mac },
    ++numbers,
  )
  const seen = new Set<string>()
  const sender = path.wire(from)
  const receiver = path.wire(to)
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(() => {
      clearInterval(repeat)
      if (seen.has(last)) resolve()
      else reject(new Error(`${from} -> ${to}: not even the last frame came`))
    }, LIMIT_MS)
    const repeat = setInterval(() => {
      // A busy host may lose a frame, or not listen yet; what is to be dropped is counted once.
      const missing = expected ? frames.filter((one) => !seen.has(one)) : []
      sender.send([...missing, last])
    }, REPEAT_MS)
    receiver.onFrame = (frame) => {
      seen.add(frame)
      if (!seen.has(last) || (expected && !frames.every((one) => seen.has(one)))) return
      clearTimeout(deadline)
      clearInterval(repeat)
      resolve()
    }
    sender.send([...frames, last])
  })
  return frames.map((one) => seen.has(one))
}
