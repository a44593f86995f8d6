import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { PurlinError } from '@purlin/base'

/** What a file packed by zstd begins with (RFC 8878). */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/** Calls `use` with the path of the trace itself; one that is packed by zstd is unpacked beside,
 *  for the time of the call. Errors: PUR_CACHE_TRACE when it cannot be unpacked, those of `use`. */
export async function withPlainTrace<Value>(
  path: string,
  use: (path: string) => Promise<Value>,
): Promise<Value> {
  if (!(await isPacked(path))) return await use(path)
  const folder = await mkdtemp(join(tmpdir(), 'purlin-trace-'))
  const plain = join(folder, basename(path).replace(/\.zst$/, ''))
  try {
    await pipeline(createReadStream(path), createZstdDecompress(), createWriteStream(plain)).catch(
      (error: Error) => {
        throw new PurlinError('PUR_CACHE_TRACE', {
          message: `${path} cannot be unpacked: ${error.message}`,
        })
      },
    )
    return await use(plain)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A file that cannot be opened is told by who reads it. */
async function isPacked(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return false
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ZSTD_MAGIC.length), 0)
    return buffer.subarray(0, bytesRead).equals(ZSTD_MAGIC)
  } catch {
    return false
  } finally {
    await file.close()
  }
}
