import { type Clock, PurlinError } from '@purlin/base'
import type { Kind, Manifest, SpecOf, Task } from '@purlin/schema'
import type { Store, TaskLog } from '@purlin/store'
import { type AdmittedChange, admitApply, admitDelete } from '../admit/change.ts'
import { admitRestore } from '../admit/restore.ts'
import type { OnceRequest } from '../api/idempotency.ts'
import type { Catalogue, CatalogueFollower } from '../resources/catalogue.ts'
import type { ResourceRecord } from '../resources/record.ts'
import { namedTargets, pursuitKey, pursuitOf, undoOf } from './pursuit.ts'

export interface ChangeGrounds {
  readonly store: Store
  readonly tasks: TaskLog
  readonly catalogue: CatalogueFollower
  readonly clock: Clock
  /** Names of the images on this host, where `wanted` are those a change names. */
  readonly images: (wanted: readonly string[]) => Promise<readonly string[]>
  /** Told of each change once it is in the store. */
  readonly onChange: (change: AdmittedChange, task: Task, revision: number) => void
}

/** What is asked for: the verb, the documents that name it, and how to remember it. */
interface Wish {
  readonly verb: string
  /** Made of the resources as they stand when it is the wish's turn. */
  readonly documents: (catalogue: Catalogue) => readonly unknown[]
  readonly once: OnceRequest | undefined
}

/** A resource that a call names, with the revision its caller saw. */
export interface Subject<K extends Kind = Kind> {
  readonly kind: K
  readonly name: string
  readonly ifRevision?: number | undefined
}

type Admit = (
  catalogue: Catalogue,
  documents: readonly unknown[],
  images: readonly string[],
) => AdmittedChange

const ATTEMPTS = 5

/** Every way to change the desired state. Each change is admitted on fresh grounds and written,
 *  with its task, in one transaction; a conflict with another writer is tried again, at most five
 *  times. */
export class Changes {
  readonly #grounds: ChangeGrounds
  #queue: Promise<unknown> = Promise.resolve()

  constructor(grounds: ChangeGrounds) {
    this.#grounds = grounds
  }

  /** Applies documents, all or nothing. Errors: those of `admitApply` and of the store. */
  async apply(documents: readonly unknown[], once?: OnceRequest): Promise<Task> {
    const { clock } = this.#grounds
    const wish: Wish = { verb: 'apply', documents: () => documents, once }
    return await this.#write(wish, (catalogue, listed, images) =>
      admitApply(catalogue, listed, images, clock.nowMs()),
    )
  }

  /** Puts one resource; `ifRevision` is the revision that the caller saw.
   *  Errors: PUR_RESOURCE_REVISION, PUR_INVALID, and those of `apply`. */
  async put(
    { kind, name, ifRevision }: Subject,
    document: unknown,
    once?: OnceRequest,
  ): Promise<Task> {
    const named = document as { kind?: unknown; name?: unknown } | null
    if (named?.kind !== kind || named.name !== name) {
      const message = `the body must be a ${kind} named ${name}; kind and name must be those of the path`
      throw new PurlinError('PUR_INVALID', { message, problems: [{ path: 'name', message }] })
    }
    const { clock } = this.#grounds
    const wish: Wish = { verb: 'put', documents: () => [document], once }
    return await this.#write(wish, (catalogue, documents, images) => {
      checkRevision(catalogue, kind, name, ifRevision)
      return admitApply(catalogue, documents, images, clock.nowMs())
    })
  }

  /** Deletes one resource. Errors: PUR_RESOURCE_MISSING, PUR_RESOURCE_IN_USE,
   *  PUR_RESOURCE_REVISION. */
  async remove({ kind, name, ifRevision }: Subject, once?: OnceRequest): Promise<Task> {
    const { clock } = this.#grounds
    return await this.#write({ verb: 'delete', documents: () => [], once }, (catalogue) => {
      checkRevision(catalogue, kind, name, ifRevision)
      return admitDelete(catalogue, kind, name, clock.nowMs())
    })
  }

  /** Changes one resource that there is; `edit` makes its new spec of the one that stands.
   *  Errors: PUR_RESOURCE_MISSING, PUR_RESOURCE_REVISION, those of `edit` and of `apply`. */
  async modify<K extends Kind>(
    verb: string,
    { kind, name, ifRevision }: Subject<K>,
    edit: (spec: SpecOf<K>, catalogue: Catalogue) => SpecOf<K>,
    once?: OnceRequest,
  ): Promise<Task> {
    const { clock } = this.#grounds
    const changed = (from: Catalogue): readonly unknown[] => {
      const record = from.get(kind, name)
      if (record === undefined) {
        throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
      }
      checkRevision(from, kind, name, ifRevision)
      return [{ ...record.manifest, spec: edit(record.manifest.spec, from) }]
    }
    return await this.#write({ verb, documents: changed, once }, (from, documents, images) =>
      admitApply(from, documents, images, clock.nowMs()),
    )
  }

  /** Makes the resources those of a backup. Errors: those of `admitRestore` and of the store. */
  async restore(records: readonly ResourceRecord[], once?: OnceRequest): Promise<Task> {
    return await this.#write({ verb: 'restore', documents: () => [], once }, (catalogue) =>
      admitRestore(catalogue, records),
    )
  }

  /** Puts back what a task's change replaced. Errors: PUR_STORE_CONFLICT where it was changed
   *  since. */
  async takeBack(taskId: string): Promise<void> {
    const { store, catalogue } = this.#grounds
    const entry = await store.get(pursuitKey(taskId))
    if (entry === undefined) return
    const undo = undoOf(entry)
    if (undo.writes.length === 0) return
    const { revision } = await store.transact({
      guards: undo.guards,
      writes: [...undo.writes, { delete: entry.key }],
    })
    await catalogue.reached(revision)
  }

  async #write(wish: Wish, admit: Admit): Promise<Task> {
    const turn = this.#queue.then(() => this.#attempt(wish, admit, ATTEMPTS))
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  async #attempt(wish: Wish, admit: Admit, attempts: number): Promise<Task> {
    const { store, tasks, catalogue, images, onChange } = this.#grounds
    const { verb, once } = wish
    const grounds = catalogue.current()
    const documents = wish.documents(grounds)
    const change = admit(grounds, documents, await images(imagesNamedBy(documents)))
    const pursuit = pursuitOf(change, unchangedOf(documents, change, grounds))
    const { task, write } = tasks.prepare(verb, namedTargets(pursuit), {
      progress: { done: 0, total: pursuit.targets.length, text: 'accepted' },
    })
    try {
      const { revision } = await store.transact({
        guards: change.guards,
        writes: [
          ...change.writes,
          write,
          { put: pursuitKey(task.id), value: pursuit },
          ...(once === undefined ? [] : [once.remember(task.id)]),
        ],
      })
      if (change.writes.length > 0) await catalogue.reached(revision)
      onChange(change, task, revision)
      return task
    } catch (thrown) {
      const conflict = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_CONFLICT'
      if (!conflict || attempts <= 1) throw thrown
      return await this.#attempt(wish, admit, attempts - 1)
    }
  }
}

function imagesNamedBy(documents: readonly unknown[]): string[] {
  return documents.flatMap((document) => {
    const { spec } = (document ?? {}) as { spec?: { image?: unknown } }
    return typeof spec?.image === 'string' ? [spec.image] : []
  })
}

function checkRevision(
  catalogue: Catalogue,
  kind: Kind,
  name: string,
  wanted: number | undefined,
): void {
  const found = catalogue.get(kind, name)?.revision ?? 0
  if (wanted === undefined || wanted === found) return
  throw new PurlinError('PUR_RESOURCE_REVISION', {
    message: `${kind} ${name}: is at revision ${found}, the caller saw ${wanted}; read it again and repeat`,
    context: { found, wanted },
  })
}

function unchangedOf(documents: readonly unknown[], change: AdmittedChange, catalogue: Catalogue) {
  const changed = new Set(change.changes.map(({ kind, name }) => `${kind}/${name}`))
  return (documents as readonly Manifest[])
    .filter(({ kind, name }) => !changed.has(`${kind}/${name}`))
    .map(({ kind, name }) => ({ kind, name, revision: catalogue.get(kind, name)?.revision ?? 0 }))
}
