import { open } from 'node:fs/promises'

/** The last `maxBytes` of a file; nothing where there is none, for what a guest wrote before is
 *  good to have and no reason to keep anybody from its console. */
export async function tailOf(file: string, maxBytes: number): Promise<Uint8Array> {
  if (maxBytes === 0) return new Uint8Array()
  try {
    await using opened = await open(file, 'r')
    const { size } = await opened.stat()
    const length = Math.min(size, maxBytes)
    const { buffer, bytesRead } = await opened.read({
      buffer: Buffer.alloc(length),
      length,
      position: size - length,
    })
    return buffer.subarray(0, bytesRead)
  } catch {
    return new Uint8Array()
  }
}
