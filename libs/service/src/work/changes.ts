import { type Clock, PurlinError } from '@purlin/base'
import type { Kind, Manifest, SpecOf, Task } from '@purlin/schema'
import type { Guard, Store, TaskLog, Write } from '@purlin/store'
import type { AdmittedChange } from '../admit/change.ts'
import { admitRestore } from '../admit/restore.ts'
import type { OnceRequest } from '../api/idempotency.ts'
import type { Catalogue, CatalogueFollower } from '../resources/catalogue.ts'
import { RESOURCE_HEAD, type ResourceRecord } from '../resources/record.ts'
import { namedTargets, type Pursuit, pursuitKey, pursuitOf, undoOf } from './pursuit.ts'

/** What a daemon decides of a change. Throws where it is refused; whatever it answers is written
 *  onto this very catalogue or not at all. */
export interface Admission<Beside> {
  /** `beside` is what came beside the documents. */
  apply(
    catalogue: Catalogue,
    documents: readonly unknown[],
    beside: Beside | undefined,
  ): Promise<AdmittedChange>
  remove(
    catalogue: Catalogue,
    kind: Kind,
    name: string,
    beside: Beside | undefined,
  ): AdmittedChange | Promise<AdmittedChange>
}

export interface ChangeGrounds<Beside> {
  readonly store: Store
  readonly tasks: TaskLog
  readonly catalogue: CatalogueFollower
  readonly clock: Clock
  /** This host: it follows the tasks of the changes that it takes. */
  readonly host: string
  readonly admission: Admission<Beside>
  /** Looks at what a change rests on outside the store, and throws where it may not be made. A
   *  restored state is taken as it was. */
  readonly vet: (change: AdmittedChange) => Promise<void>
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
) => AdmittedChange | Promise<AdmittedChange>

/** Agents of a fleet take turns, so that one may lose several times in a row. */
const ATTEMPTS = 25
const CATCH_UP_MS = 2_000

/** Every way to change the desired state. Each change is admitted on fresh grounds and written,
 *  with its task, in one transaction that holds for these very grounds: no agent of the fleet may
 *  have changed any resource since. Where one has, the change is admitted anew. */
export class Changes<Beside = undefined> {
  readonly #grounds: ChangeGrounds<Beside>
  #queue: Promise<unknown> = Promise.resolve()
  #held: string | undefined

  constructor(grounds: ChangeGrounds<Beside>) {
    this.#grounds = grounds
  }

  /** Applies documents, all or nothing. Errors: those of admission and of the store. */
  async apply(documents: readonly unknown[], once?: OnceRequest, beside?: Beside): Promise<Task> {
    const wish: Wish = { verb: 'apply', documents: () => documents, once }
    return await this.#write(wish, (catalogue, listed) =>
      this.#grounds.admission.apply(catalogue, listed, beside),
    )
  }

  /** What applying documents would change; nothing is written. Errors: those of admission. */
  async hypothetical(documents: readonly unknown[], beside?: Beside): Promise<AdmittedChange> {
    const { admission, catalogue } = this.#grounds
    return await admission.apply(catalogue.current(), documents, beside)
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
    const wish: Wish = { verb: 'put', documents: () => [document], once }
    return await this.#write(wish, (catalogue, documents) => {
      checkRevision(catalogue, kind, name, ifRevision)
      return this.#grounds.admission.apply(catalogue, documents, undefined)
    })
  }

  /** Deletes one resource. Errors: PUR_RESOURCE_MISSING, PUR_RESOURCE_IN_USE,
   *  PUR_RESOURCE_REVISION. */
  async remove(
    { kind, name, ifRevision }: Subject,
    once?: OnceRequest,
    beside?: Beside,
  ): Promise<Task> {
    return await this.#write({ verb: 'delete', documents: () => [], once }, (catalogue) => {
      checkRevision(catalogue, kind, name, ifRevision)
      return this.#grounds.admission.remove(catalogue, kind, name, beside)
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
    const changed = (from: Catalogue): readonly unknown[] => {
      const record = from.get(kind, name)
      if (record === undefined) {
        throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
      }
      checkRevision(from, kind, name, ifRevision)
      return [{ ...record.manifest, spec: edit(record.manifest.spec, from) }]
    }
    return await this.#write({ verb, documents: changed, once }, (from, documents) =>
      this.#grounds.admission.apply(from, documents, undefined),
    )
  }

  /** Makes the resources those of a backup. Errors: those of `admitRestore` and of the store. */
  async restore(records: readonly ResourceRecord[], once?: OnceRequest): Promise<Task> {
    return await this.#write({ verb: 'restore', documents: () => [], once }, (catalogue) =>
      admitRestore(catalogue, records),
    )
  }

  /** Makes a change that follows from the resources as they stand when it is its turn. Errors:
   *  those of `admit` and of the store. */
  async carry(
    verb: string,
    admit: (catalogue: Catalogue) => AdmittedChange,
    once?: OnceRequest,
  ): Promise<Task> {
    return await this.#write({ verb, documents: () => [], once }, admit)
  }

  /** Writes a task for work that was begun and changes no resource: `verb` on one that there is.
   *  Errors: those of the store. */
  async begun(verb: string, { kind, name }: Subject, once?: OnceRequest): Promise<Task> {
    const { store, tasks, host, onChange } = this.#grounds
    const target = { kind, name, action: 'apply' as const, verb, revision: 0 }
    const pursuit: Pursuit = { host, targets: [target], before: [] }
    const { task, write } = tasks.prepare(verb, namedTargets(pursuit), {
      progress: { done: 0, total: 1, text: 'accepted' },
    })
    const { revision } = await store.transact({
      guards: once === undefined ? [] : [once.guard],
      writes: [
        write,
        { put: pursuitKey(task.id), value: pursuit },
        ...(once === undefined ? [] : [once.remember(task.id)]),
      ],
    })
    onChange({ changes: [], writes: [] }, task, revision)
    return task
  }

  /** Puts back what a task's change replaced. Errors: PUR_STORE_CONFLICT where it was changed
   *  since. */
  async takeBack(taskId: string): Promise<void> {
    const { store, catalogue } = this.#grounds
    const entry = await store.get(pursuitKey(taskId))
    if (entry === undefined) return
    await catalogue.reached(entry.revision)
    await this.#tryAgain(async () => {
      const grounds = catalogue.current()
      const writes = undoOf(entry, grounds)
      if (writes.length === 0) return
      const { revision } = await store.transact({
        guards: [headGuard(grounds)],
        writes: [...writes, headWrite(this.#grounds.host), { delete: entry.key }],
      })
      await catalogue.reached(revision)
    })
  }

  /** Carries out work after which this store is no longer the one: no change is taken from its
   *  beginning on, and who asks for one is told the reason. Changes that were taken before are made
   *  first. Where the work fails, changes are taken again. Errors: PUR_FLEET_STATE while other such
   *  work is under way. */
  async lastly<Value>(reason: string, work: () => Promise<Value>): Promise<Value> {
    if (this.#held !== undefined) {
      throw new PurlinError('PUR_FLEET_STATE', { message: `${this.#held} just now` })
    }
    this.#held = reason
    try {
      await this.#queue
      return await work()
    } catch (thrown) {
      this.#held = undefined
      throw thrown
    }
  }

  async #write(wish: Wish, admit: Admit): Promise<Task> {
    if (this.#held !== undefined) {
      const message = `no change is taken just now: ${this.#held}; ask again in a while`
      throw new PurlinError('PUR_AGENT_UNHEALTHY', { message })
    }
    // Nobody has to wait for what is known; whether the store is back is found out elsewhere.
    const trouble = this.#grounds.store.trouble()
    if (trouble !== undefined) {
      throw new PurlinError('PUR_STORE_UNREACHABLE', {
        message: `nothing can be changed while the store is away: ${trouble.message}`,
      })
    }
    const turn = this.#queue.then(() => this.#tryAgain(() => this.#attempt(wish, admit)))
    this.#queue = turn.catch(() => undefined)
    return await turn
  }

  /** Does the work again when another agent was first, once its change is known here. */
  async #tryAgain<Value>(work: () => Promise<Value>): Promise<Value> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (thrown) {
        if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_STORE_CONFLICT') throw thrown
        const { key, found } = thrown.context
        if (key !== RESOURCE_HEAD || attempt === ATTEMPTS) throw thrown
        await this.#grounds.catalogue.reached(Number(found), CATCH_UP_MS)
      }
    }
  }

  async #attempt(wish: Wish, admit: Admit): Promise<Task> {
    const { store, tasks, catalogue, host, vet, onChange } = this.#grounds
    const { verb, once } = wish
    const grounds = catalogue.current()
    const documents = wish.documents(grounds)
    const change = await admit(grounds, documents)
    if (verb !== 'restore') await vet(change)
    const pursuit = pursuitOf(change, unchangedOf(documents, change, grounds), host)
    const { task, write } = tasks.prepare(verb, namedTargets(pursuit), {
      progress: { done: 0, total: pursuit.targets.length, text: 'accepted' },
    })
    const changes = change.writes.length > 0
    const { revision } = await store.transact({
      guards: [headGuard(grounds), ...(once === undefined ? [] : [once.guard])],
      writes: [
        ...change.writes,
        ...(changes ? [headWrite(host)] : []),
        write,
        { put: pursuitKey(task.id), value: pursuit },
        ...(once === undefined ? [] : [once.remember(task.id)]),
      ],
    })
    if (changes) await catalogue.reached(revision)
    onChange(change, task, revision)
    return task
  }
}

/** Nobody has changed a resource since the catalogue. */
function headGuard({ headRevision }: Catalogue): Guard {
  return { key: RESOURCE_HEAD, revision: headRevision }
}

function headWrite(host: string): Write {
  return { put: RESOURCE_HEAD, value: { host } }
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
