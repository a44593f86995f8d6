/** What ipmitool says when the BMC has granted a session; the rest of that line is its own too. */
const BANNER = Buffer.from('[SOL Session operational')
const BANNER_BYTES_MAX = 256
const LINE_FEED = 0x0a

/** The output of a session without the program's banner: first an empty part when the session
 *  stands, then what the machine prints. Nothing at all when it never came about. */
export async function* withoutBanner(
  output: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const part of output) {
    if (head === undefined) {
      yield part
      continue
    }
    head = Buffer.concat([head, part])
    const end = head.indexOf(LINE_FEED)
    if (end < 0 && head.length < BANNER_BYTES_MAX) continue
    const banner = head.subarray(0, BANNER.length).equals(BANNER) && end >= 0
    const rest: Buffer = banner ? head.subarray(end + 1) : head
    head = undefined
    yield new Uint8Array()
    if (rest.length > 0) yield rest
  }
}
