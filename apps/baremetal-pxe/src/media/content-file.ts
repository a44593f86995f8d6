import { rename, rm } from 'node:fs/promises'
import { PurlinError, toPurlinError } from '@purlin/base'
import { type ContentStatus, isFetched, type SpecOf } from '@purlin/schema'
import type { ContentKind, Upload } from './content.ts'
import { type ExtractedTree, extract } from './extract.ts'
import { fetchFile } from './fetch-file.ts'
import { type ContentRecord, type Places, removeOwn, writeRecord } from './places.ts'
import { type Receipt, type Received, receive, sha256Of, sizeOf } from './receive.ts'
import type { StoreSeams } from './store.ts'
import { walkTree } from './tree.ts'

/** What of a resource decides its file. */
export type ContentSpec =
  | { readonly kind: 'InstallMedia'; readonly name: string; readonly spec: SpecOf<'InstallMedia'> }
  | { readonly kind: 'Image'; readonly name: string; readonly spec: SpecOf<'Image'> }

const PROGRESS_EVERY_MS = 1_000
/** The tree of an ISO is as large as the ISO. */
const ROOM_FACTORS: Readonly<Record<ContentKind, number>> = { InstallMedia: 1.1, Image: 0 }

/** The file of one resource, from nothing to usable. One piece of work at a time. */
export class ContentFile {
  #of: ContentSpec
  readonly #seams: StoreSeams
  readonly #places: Places
  readonly #ended = new AbortController()
  #status: ContentStatus
  #record: ContentRecord | undefined
  /** SHA-256 of a file that is in its place before its record is written. */
  #arriving: string | undefined
  #job: Promise<void> | undefined
  #toldAtMs = 0
  #watchers: (() => void)[] = []

  constructor(
    of: ContentSpec,
    record: ContentRecord | undefined,
    places: Places,
    seams: StoreSeams,
  ) {
    this.#of = of
    this.#seams = seams
    this.#places = places
    this.#record = record?.key === keyOf(of) ? record : undefined
    this.#status = { state: 'absent', bytes: 0, sinceMs: seams.clock.nowMs() }
  }

  get of(): ContentSpec {
    return this.#of
  }

  /** Takes a changed resource over, where its file can stay. */
  adopt(of: ContentSpec): boolean {
    const { sha256 } = of.spec
    const other = this.#record !== undefined && sha256 !== '' && sha256 !== this.#record.sha256
    if (keyOf(of) !== keyOf(this.#of) || other) return false
    this.#of = of
    return true
  }

  get title(): string {
    return `${this.of.kind} ${this.of.name}`
  }

  get status(): ContentStatus {
    return this.#status
  }

  /** The record of a file that was whole and has not been found damaged. */
  get record(): ContentRecord | undefined {
    return this.#record
  }

  /** Whether the file of this SHA-256 is this one’s. */
  uses(sha256: string): boolean {
    return this.#record?.sha256 === sha256 || this.#arriving === sha256
  }

  /** Begins with what can be done without a person. */
  begin(): void {
    if (this.#job !== undefined || this.#ended.signal.aborted) return
    const address = addressOf(this.of)
    if (this.#record === undefined && !isFetched(address)) void this.#tellAbsent()
    else {
      if (this.#record === undefined) this.#show('fetching', { bytes: 0 })
      this.#start(async (signal) => await this.#bring(address, signal))
    }
  }

  /** Waits until the file is usable. Errors: PUR_MEDIA_*, the signal’s reason. */
  async ready(signal?: AbortSignal): Promise<ContentRecord> {
    if (this.#status.state === 'failed' && isFetched(addressOf(this.of))) {
      await this.#job
      this.begin()
    }
    for (;;) {
      this.#ended.signal.throwIfAborted()
      const { state, cause } = this.#status
      if (state === 'ready' && this.#record !== undefined) return this.#record
      if (state === 'failed') throw causeError(this.title, cause)
      if (signal?.aborted === true) throw state === 'absent' ? this.#absent() : signal.reason
      await this.#changed(signal)
    }
  }

  /** Takes a file that a person sends; see ContentStore. */
  async upload(upload: Upload): Promise<ContentStatus> {
    if (this.#job !== undefined) {
      const message = `${this.title}: its file is ${this.#status.state}; wait for the end`
      throw new PurlinError('PUR_MEDIA_BUSY', { message })
    }
    const part = this.#places.part(this.of.kind, this.of.name)
    const { offset, sizeBytes, body } = upload
    const here = await sizeOf(part)
    if (offset !== 0 && offset !== here) {
      const message = `${this.title}: ${here} bytes are here, the upload begins at ${offset}`
      throw new PurlinError('PUR_MEDIA_OFFSET', { message, context: { bytes: here } })
    }
    let failure: unknown
    const job = this.#start(async (ended) => {
      const signal = upload.signal ? AbortSignal.any([ended, upload.signal]) : ended
      try {
        this.#show('fetching', { bytes: offset, sizeBytes })
        const received = await receive({ ...this.#receipt(), offset, sizeBytes }, body, signal)
        if (received.bytes < sizeBytes) await this.#tellAbsent(sizeBytes)
        else await this.#keep(received)
      } catch (thrown) {
        failure = thrown
        const error = toPurlinError(thrown)
        if (error.code.startsWith('PUR_MEDIA_')) this.#fail(error)
        else await this.#tellAbsent(sizeBytes)
      }
    })
    await job
    if (failure !== undefined) throw failure
    if (this.#record !== undefined && this.#status.state === 'extracting') {
      this.#start((signal) => this.#finish(signal))
    }
    return this.#status
  }

  /** Ends its work; the files stay. */
  async close(): Promise<void> {
    this.#ended.abort(
      new PurlinError('PUR_CANCELLED', { message: `${this.title}: no longer wanted` }),
    )
    await this.#job
    this.#tellWatchers()
  }

  /** Ends its work and removes what is its own. The file may be another's too: the caller's. */
  async remove(): Promise<void> {
    await this.close()
    await removeOwn(this.#places, this.of.kind, this.of.name)
  }

  #start(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#ended
    const job = work(signal)
      .catch((thrown: unknown) => {
        if (!signal.aborted) this.#fail(toPurlinError(thrown))
      })
      .finally(() => {
        if (this.#job === job) this.#job = undefined
      })
    this.#job = job
    return job
  }

  /** From what is on disk, or from the address, to usable. */
  async #bring(address: string, signal: AbortSignal): Promise<void> {
    if (await this.#stillWhole(signal)) return await this.#finish(signal)
    if (!isFetched(address)) return
    this.#show('fetching', { bytes: await sizeOf(this.#places.part(this.of.kind, this.of.name)) })
    const { gate, fetch, clock } = this.#seams
    const onSize = (sizeBytes: number): void => {
      this.#show('fetching', { bytes: this.#status.bytes, sizeBytes })
    }
    const checked = this.of.spec.sha256 !== ''
    const seams = { fetch, clock, signal, onSize }
    const received = await gate.pass(signal, () =>
      fetchFile({ url: address, receipt: this.#receipt(), checked, ...seams }),
    )
    await this.#keep(received)
    await this.#finish(signal)
  }

  /** Hashes what a former run kept: a file that was damaged since is as if it never came. */
  async #stillWhole(signal: AbortSignal): Promise<boolean> {
    const record = this.#record
    if (record === undefined) return false
    const { sha256, sizeBytes } = record
    this.#show('checking', { bytes: sizeBytes, sizeBytes })
    const file = this.#places.file(sha256)
    const found = await this.#seams.gate
      .pass(signal, () => sha256Of(file, signal))
      .catch(() => undefined)
    signal.throwIfAborted()
    if (found === sha256) return true
    this.#record = undefined
    await rm(this.#places.record(this.of.kind, this.of.name), { force: true })
    await rm(file, { force: true })
    const what = found === undefined ? 'is gone' : 'has been damaged'
    const message = `${this.title}: its file ${what} since it was checked; bring it again`
    this.#fail(new PurlinError('PUR_MEDIA_CHECKSUM', { message }))
    return false
  }

  /** Puts a file that came whole in its place. */
  async #keep({ bytes, sha256 }: Received): Promise<void> {
    const { kind, name, spec } = this.of
    const part = this.#places.part(kind, name)
    if (spec.sha256 !== '' && spec.sha256 !== sha256) {
      await rm(part, { force: true })
      const message = `${this.title}: the file has SHA-256 ${sha256}, ${spec.sha256} was given`
      throw new PurlinError('PUR_MEDIA_CHECKSUM', { message, context: { sha256 } })
    }
    const former = this.#record?.sha256
    this.#arriving = sha256
    await rename(part, this.#places.file(sha256))
    this.#record = { kind, name, key: keyOf(this.of), sha256, sizeBytes: bytes }
    await writeRecord(this.#places, this.#record)
    this.#arriving = undefined
    if (former !== undefined && former !== sha256) await this.#seams.drop(former)
    const state = kind === 'Image' ? 'ready' : 'extracting'
    this.#show(state, { bytes, sizeBytes: bytes, sha256 })
  }

  /** From a whole file to a usable one: a medium is extracted, unless its tree is there. */
  async #finish(signal: AbortSignal): Promise<void> {
    const record = this.#record
    if (record === undefined) return
    const { sha256, sizeBytes } = record
    const sizes = { bytes: sizeBytes, sizeBytes, sha256 }
    if (this.of.kind === 'InstallMedia' && !(await this.#treeStands(record.tree))) {
      this.#show('extracting', sizes)
      const options = {
        title: this.title,
        spec: this.of.spec,
        file: this.#places.file(sha256),
        folder: this.#places.tree(this.of.name),
        run: this.#seams.run,
        signal,
      }
      const tree = await this.#seams.gate.pass(signal, () => extract(options))
      this.#record = { ...record, tree }
      await writeRecord(this.#places, this.#record)
    }
    this.#show('ready', sizes)
  }

  async #treeStands(tree: ExtractedTree | undefined): Promise<boolean> {
    if (tree === undefined) return false
    const folder = this.#places.tree(this.of.name)
    const walked = await walkTree(this.title, folder).catch(() => undefined)
    return walked?.digest === tree.digest
  }

  #receipt(): Omit<Receipt, 'offset' | 'sizeBytes'> {
    return {
      title: this.title,
      part: this.#places.part(this.of.kind, this.of.name),
      roomFactor: ROOM_FACTORS[this.of.kind],
      freeBytes: this.#seams.freeBytes,
      onBytes: (bytes) => this.#progress(bytes),
    }
  }

  async #tellAbsent(sizeBytes?: number): Promise<void> {
    const bytes = await sizeOf(this.#places.part(this.of.kind, this.of.name))
    this.#show('absent', { bytes, ...(sizeBytes !== undefined && { sizeBytes }) })
  }

  #fail(error: PurlinError): void {
    const { bytes, sizeBytes, sha256 } = this.#status
    const cause = { code: error.code, message: error.message }
    this.#show('failed', {
      bytes,
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(sha256 !== undefined && { sha256 }),
      cause,
    })
  }

  #show(state: ContentStatus['state'], rest: Omit<ContentStatus, 'state' | 'sinceMs'>): void {
    const now = this.#seams.clock.nowMs()
    const sinceMs = state === this.#status.state ? this.#status.sinceMs : now
    this.#status = { state, sinceMs, ...rest }
    this.#toldAtMs = this.#seams.clock.monotonicMs()
    this.#tellWatchers()
    this.#seams.changed(this.of.kind, this.of.name)
  }

  /** Bytes come a thousand times a second; whoever looks on wants one figure. */
  #progress(bytes: number): void {
    this.#status = { ...this.#status, bytes }
    const now = this.#seams.clock.monotonicMs()
    if (now - this.#toldAtMs < PROGRESS_EVERY_MS) return
    this.#toldAtMs = now
    this.#seams.changed(this.of.kind, this.of.name)
  }

  async #changed(signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#watchers.push(resolve)
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #tellWatchers(): void {
    for (const tell of this.#watchers.splice(0)) tell()
  }

  #absent(): PurlinError {
    const upload = `purlin bm ${this.of.kind === 'Image' ? 'image' : 'media'} upload`
    const message = `${this.title}: its file was not uploaded; ${upload} ${this.of.name} FILE`
    return new PurlinError('PUR_MEDIA_ABSENT', { message })
  }
}

function addressOf(of: ContentSpec): string {
  return of.kind === 'Image' ? of.spec.file : of.spec.iso
}

/** A file is kept while this stays; a checksum that is added later only checks it. */
export function keyOf(of: ContentSpec): string {
  const { family, version } = of.spec
  return of.kind === 'Image' ? addressOf(of) : [family, version, addressOf(of)].join('\n')
}

function causeError(title: string, cause: ContentStatus['cause']): PurlinError {
  const { code, message } = cause ?? { code: 'PUR_MEDIA_ABSENT', message: `${title}: failed` }
  return new PurlinError(code as PurlinError['code'], { message })
}
