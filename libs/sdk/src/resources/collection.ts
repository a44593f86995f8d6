import { PurlinError } from '@purlin/base'
import {
  checkDocument,
  type Kind,
  kinds,
  type ManifestInput,
  type Resource,
  storedFields,
} from '@purlin/schema'
import type { Call, CallOptions, RevisionOptions } from '../connect/call.ts'
import { mutationHeaders } from '../connect/idempotency.ts'
import { sendForTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'

/** The resources of one kind, for reading. */
export interface ReadCollection<K extends Kind> {
  /** Errors: PUR_RESOURCE_MISSING. */
  get(name: string, options?: CallOptions): Promise<Resource<K>>
  list(options?: CallOptions): Promise<readonly Resource<K>[]>
}

/** The resources of one kind. */
export interface Collection<K extends Kind> extends ReadCollection<K> {
  /** Creates or replaces. Errors: PUR_INVALID before anything is sent, PUR_RESOURCE_REVISION. */
  put(manifest: ManifestInput<K>, options?: RevisionOptions): Promise<TaskHandle>
  /** Errors: PUR_RESOURCE_MISSING, PUR_RESOURCE_IN_USE, PUR_RESOURCE_REVISION. */
  delete(name: string, options?: RevisionOptions): Promise<TaskHandle>
}

/** The resources of `kind` behind `transport`. */
export function collectionOf<K extends Kind>(transport: Transport, kind: K): Collection<K> {
  const plural = `/v1/${kinds[kind].plural}`
  const change = (method: 'PUT' | 'DELETE', name: string, options: RevisionOptions): Call => ({
    method,
    path: `${plural}/${encodeURIComponent(name)}`,
    headers: mutationHeaders(transport, options),
    options,
  })
  return {
    get: async (name, options) => {
      const path = `${plural}/${encodeURIComponent(name)}`
      return (await transport.json({ method: 'GET', path, options })) as Resource<K>
    },
    list: async (options) => {
      const answer = await transport.json({ method: 'GET', path: plural, options })
      return (answer as { items: Resource<K>[] }).items
    },
    put: async (manifest, options = {}) => {
      const { problems } = checkDocument(manifest)
      if (problems) {
        const listed = problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
        throw new PurlinError('PUR_INVALID', { message: `${kind}: ${listed}`, problems })
      }
      const text = JSON.stringify(manifest)
      return await sendForTask(transport, {
        ...change('PUT', manifest.name, options),
        body: () => text,
      })
    },
    delete: (name, options = {}) => sendForTask(transport, change('DELETE', name, options)),
  }
}

/** The manifest of a resource: what the agent added is left out, so that it can be put again. */
export function manifestOfResource<K extends Kind>(resource: Resource<K>): ManifestInput<K> {
  const entries = Object.entries(resource).filter(([field]) => !Object.hasOwn(storedFields, field))
  return Object.fromEntries(entries) as ManifestInput<K>
}
