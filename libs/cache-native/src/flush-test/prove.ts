import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, PurlinError } from '@purlin/base'
import { type DeviceFacts, deviceFacts } from './device-facts.ts'
import { leastSequences, RECORD_BYTES, recordBytes, sequenceOf, slotsOf } from './records.ts'
import { type Testimony, WitnessLine } from './witness.ts'

/** Blocks that are used of a large device: 256 MiB. */
const SLOTS_MAX = 65_536
const BOOT = '/proc/sys/kernel/random/boot_id'

/** A device that kept what it had flushed when its power was cut. */
export interface FlushProof {
  readonly identity: string
  readonly disk: string
  readonly model: string
  readonly batches: number
  /** Milliseconds since 1970. */
  readonly provedAtMs: number
}

export interface FlushRun {
  readonly device: string
  /** `HOST:PORT` of a witness on another host. */
  readonly witness: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The name of this boot; for tests. */
  readonly boot?: string
}

/** Writes over the device, batch after batch; each is flushed, then told to the witness. Runs until
 *  the power goes, `seconds` are over or it is cancelled; the number of batches. Errors:
 *  PUR_CACHE_WITNESS, PUR_CACHE_INVALID when the device cannot be written. */
export async function writeUnderWitness(
  { device, witness, clock, signal, boot }: FlushRun,
  seconds: number,
): Promise<number> {
  const [line, file] = [await WitnessLine.open(witness), await opened(device, 'r+')]
  try {
    const slots = Math.min(SLOTS_MAX, Math.floor((await sizeOf(file)) / RECORD_BYTES))
    if (slots === 0) throw unusable(device, 'it has not one block of 4096 bytes')
    const session = randomBytes(16)
    const known = { session: session.toString('hex'), boot: boot ?? (await bootName()), slots }
    const untilMs = clock.monotonicMs() + seconds * 1000
    let sequence = 0
    await line.tell({ ...known, sequence })
    while (clock.monotonicMs() < untilMs && !signal.aborted) {
      sequence += 1
      for (const slot of slotsOf(sequence, slots)) {
        const bytes = recordBytes(session, sequence, slot)
        await file.write(bytes, 0, bytes.length, slot * RECORD_BYTES)
      }
      await file.datasync()
      await line.tell({ ...known, sequence })
    }
    return sequence
  } finally {
    line.close()
    await file.close()
  }
}

/** What became of a device whose power was cut under the writer. */
export interface FlushVerdict {
  readonly batches: number
  /** Records that the writer was told were durable, and are not there. */
  readonly lost: number
  /** Whether the host was started anew since: without that nothing is proved. */
  readonly powerWasCut: boolean
}

/** Reads what the witness heard was durable. Errors: PUR_CACHE_WITNESS, PUR_CACHE_INVALID. */
export async function checkByWitness(run: FlushRun): Promise<FlushVerdict> {
  const { device, witness, boot } = run
  const line = await WitnessLine.open(witness)
  const heard = await line.ask().finally(() => line.close())
  if (heard === undefined) {
    throw new PurlinError('PUR_CACHE_WITNESS', {
      message: `the witness at ${witness} has heard of no writer; run the writer first`,
    })
  }
  const file = await opened(device, 'r')
  try {
    const lost = await lostRecords(file, heard)
    const powerWasCut = heard.boot !== (boot ?? (await bootName()))
    return { batches: heard.sequence, lost, powerWasCut }
  } finally {
    await file.close()
  }
}

async function lostRecords(file: FileHandle, heard: Testimony): Promise<number> {
  const session = Buffer.from(heard.session, 'hex')
  const bytes = Buffer.alloc(RECORD_BYTES)
  let lost = 0
  for (const [slot, least] of leastSequences(heard.sequence, heard.slots)) {
    const { bytesRead } = await file.read(bytes, 0, RECORD_BYTES, slot * RECORD_BYTES)
    if (bytesRead < RECORD_BYTES || sequenceOf(bytes, session, slot) < least) lost += 1
  }
  return lost
}

/** Keeps a proof in `folder`, durably enough: losing it asks for `--force` again. */
export async function keepProof(
  folder: string,
  facts: DeviceFacts,
  batches: number,
  clock: Clock,
): Promise<FlushProof> {
  const { identity, disk, model } = facts
  const proof = { identity, disk, model, batches, provedAtMs: clock.nowMs() }
  const path = proofPath(folder, identity)
  await mkdir(join(folder, 'flush-proofs'), { recursive: true })
  await writeFile(`${path}.new`, `${JSON.stringify(proof, null, 2)}\n`)
  await rename(`${path}.new`, path)
  return proof
}

/** `otherwise` says how to go on without a proof. Errors: PUR_CACHE_UNPROVEN, which names the
 *  devices of which none is kept in `folder`. A device that is not there yet is a file to be made:
 *  the disk below its folder counts. */
export async function refuseUnproven(
  devices: readonly string[],
  folder: string,
  otherwise = 'use --force',
): Promise<void> {
  const unproven: string[] = []
  for (const device of devices) {
    const facts = await deviceFacts(device)
      .catch(() => deviceFacts(dirname(device)))
      .catch(() => undefined)
    const path = facts && proofPath(folder, facts.identity)
    const proof = path === undefined ? '' : await readFile(path, 'utf8').catch(() => '')
    if (proof === '') unproven.push(facts === undefined ? device : `${device} (${facts.disk})`)
  }
  if (unproven.length === 0) return
  throw new PurlinError('PUR_CACHE_UNPROVEN', {
    message:
      `${unproven.join(', ')}: nobody knows that a flush survives a power cut there; ` +
      `run purlin cache flush-test, or ${otherwise}`,
  })
}

function proofPath(folder: string, identity: string): string {
  return join(folder, 'flush-proofs', `${identity.replaceAll(/[^\w.-]+/g, '_')}.json`)
}

async function bootName(): Promise<string> {
  return (await readFile(BOOT, 'utf8')).trim()
}

async function sizeOf(file: FileHandle): Promise<number> {
  const found = await file.stat()
  if (!found.isBlockDevice()) return found.size
  // A device has no size in its inode; its last byte is found by halves.
  let [low, high] = [0, 2 ** 52]
  const bytes = Buffer.alloc(1)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const { bytesRead } = await file.read(bytes, 0, 1, middle - 1).catch(() => ({ bytesRead: 0 }))
    if (bytesRead === 1) low = middle
    else high = middle
  }
  return low
}

async function opened(device: string, flags: string): Promise<FileHandle> {
  return await open(device, flags).catch((error: Error) => {
    throw unusable(device, error.message)
  })
}

function unusable(device: string, found: string): PurlinError {
  return new PurlinError('PUR_CACHE_INVALID', { message: `${device}: ${found}` })
}
