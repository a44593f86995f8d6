import { PurlinError } from '@purlin/base'
import type { CallOptions } from '../port/libvirt-port.ts'
import type { AskAgent } from './ask.ts'

/** What is read or written at once. A guest's agent takes its commands apart sign by sign: a slow
 *  guest took more than five seconds for 256 KiB. */
const CHUNK_BYTES = 49_152
const TIMEOUT_SECONDS = 30
/** Files that are larger are not for this way. */
export const GUEST_FILE_BYTES_MAX = 8 * 2 ** 20

/** What was read of a file in a guest. */
export interface GuestFile {
  readonly content: Uint8Array
  /** Whether that is the whole file. */
  readonly complete: boolean
}

/** Reads a file of the guest up to `maxBytes`, at most 8 MiB. Errors: PUR_VIRT_FAILED with the
 *  guest's own words where it cannot be opened. */
export async function readGuestFile(
  askOnce: AskAgent,
  machine: string,
  { path, maxBytes }: { readonly path: string; readonly maxBytes: number },
  call: CallOptions,
): Promise<GuestFile> {
  const ask = patient(askOnce)
  const limit = Math.min(maxBytes, GUEST_FILE_BYTES_MAX)
  return await withFile(ask, machine, { path, mode: 'r' }, call, async (handle) => {
    const chunks: Buffer[] = []
    for (let size = 0; ; ) {
      // One byte more than is wanted tells whether there is more.
      const count = Math.min(CHUNK_BYTES, limit - size + 1)
      const parameters = { handle, count }
      const read = Object(await ask(machine, { execute: 'guest-file-read', parameters }, call))
      const chunk = Buffer.from(String(read['buf-b64'] ?? ''), 'base64')
      chunks.push(chunk)
      size += chunk.length
      if (size > limit) {
        return { content: Buffer.concat(chunks).subarray(0, limit), complete: false }
      }
      if (read.eof === true || chunk.length === 0) {
        return { content: Buffer.concat(chunks), complete: true }
      }
    }
  })
}

/** Writes a file of the guest anew, or to its end. The guest's disk has it when it flushes. Errors:
 *  PUR_INVALID beyond 8 MiB, PUR_VIRT_FAILED with the guest's own words. */
export async function writeGuestFile(
  askOnce: AskAgent,
  machine: string,
  file: { readonly path: string; readonly content: Uint8Array; readonly append: boolean },
  call: CallOptions,
): Promise<void> {
  const ask = patient(askOnce)
  const { path, content, append } = file
  if (content.length > GUEST_FILE_BYTES_MAX) {
    const message = `${path} in machine ${machine}: ${content.length} bytes are too many; at most ${GUEST_FILE_BYTES_MAX} are written at once`
    throw new PurlinError('PUR_INVALID', { message })
  }
  const mode = append ? 'a' : 'w'
  await withFile(ask, machine, { path, mode }, call, async (handle) => {
    for (let at = 0; at < content.length; ) {
      const chunk = Buffer.from(content.subarray(at, at + CHUNK_BYTES))
      const parameters = { handle, 'buf-b64': chunk.toString('base64') }
      const wrote = Object(await ask(machine, { execute: 'guest-file-write', parameters }, call))
      const count = Number(wrote.count)
      if (!(count > 0)) {
        const message = `${path} in machine ${machine}: the guest took no more after ${at} bytes; see whether its disk is full`
        throw new PurlinError('PUR_VIRT_FAILED', { message })
      }
      at += count
    }
  })
}

/** Gives the guest the time that a piece of a file may take. */
function patient(ask: AskAgent): AskAgent {
  return (machine, question, call) =>
    ask(machine, { ...question, timeoutSeconds: TIMEOUT_SECONDS }, call)
}

async function withFile<Value>(
  ask: AskAgent,
  machine: string,
  parameters: { readonly path: string; readonly mode: string },
  call: CallOptions,
  work: (handle: number) => Promise<Value>,
): Promise<Value> {
  const handle = Number(await ask(machine, { execute: 'guest-file-open', parameters }, call))
  const close = (): Promise<unknown> =>
    ask(machine, { execute: 'guest-file-close', parameters: { handle } }, call)
  let value: Value
  try {
    value = await work(handle)
  } catch (thrown) {
    await close().catch(() => undefined)
    throw thrown
  }
  // What was written is flushed to the guest's kernel by this, so its failure counts.
  await close()
  return value
}
