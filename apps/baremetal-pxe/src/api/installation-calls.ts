import type { Readable } from 'node:stream'
import { PurlinError } from '@purlin/base'
import type { ContentQuery, InstallationPlan, installationOperations } from '@purlin/schema'
import type { Call, Changes, HandlersOf, Once } from '@purlin/service'
import type { Beside } from '../admit/admission.ts'
import type { ContentKind, ContentStore } from '../media/index.ts'
import type { Monitoring } from '../monitoring/index.ts'

/** What is asked of an installation that may not be wanted yet. */
export interface PlanQuestion {
  readonly template: string
  readonly chassis: string
  readonly source: { readonly media: string } | { readonly image: string } | undefined
}

/** What the calls of instances, templates, media and images work with. */
export interface InstallationCallGrounds {
  readonly changes: Changes<Beside>
  readonly once: Once
  readonly content: Pick<ContentStore, 'upload'>
  readonly has: (kind: ContentKind, name: string) => boolean
  /** Resolves when what was applied before is known to those who bring it about. */
  readonly passed: () => Promise<void>
  readonly monitoring: Pick<Monitoring, 'latest' | 'range'>
  /** Errors: PUR_RESOURCE_MISSING. */
  readonly planOf: (instance: string) => Promise<InstallationPlan>
  readonly planFor: (question: PlanQuestion) => Promise<InstallationPlan>
}

/** The calls of instances, templates, media and images. */
export function installationHandlers(
  grounds: InstallationCallGrounds,
): HandlersOf<typeof installationOperations> {
  const { changes, once, monitoring } = grounds
  return {
    releaseInstance: (call) =>
      once(call, (remembered) => {
        const subject = { kind: 'BareMetalInstance' as const, name: nameOf(call) }
        const ifRevision = call.ifRevision
        const { erase } = call.body
        return changes.remove({ ...subject, ifRevision }, remembered, { erase })
      }),
    planInstance: async (call) => await grounds.planOf(nameOf(call)),
    checkTemplate: async (call) => {
      const { chassis, media, image } = call.query
      if (media !== undefined && image !== undefined) {
        const message = 'name media or image, not both: a system comes from one of them'
        throw new PurlinError('PUR_INVALID', { message, problems: [{ path: 'image', message }] })
      }
      const source = media !== undefined ? { media } : image !== undefined ? { image } : undefined
      return await grounds.planFor({ template: nameOf(call), chassis, source })
    },
    instanceMetrics: async (call) => await monitoring.latest(nameOf(call), call.query.metric),
    instanceMetricsHistory: async (call) => await monitoring.range(nameOf(call), call.query),
    uploadMedia: (call) => upload(grounds, 'InstallMedia', call),
    uploadImage: (call) => upload(grounds, 'Image', call),
  }
}

async function upload(
  { content, has, passed }: InstallationCallGrounds,
  kind: ContentKind,
  call: Call<ContentQuery, Readable>,
) {
  const name = nameOf(call)
  if (!has(kind, name)) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
  }
  if (typeof call.body?.pipe !== 'function') {
    const message = `${kind} ${name}: send the file as application/octet-stream`
    throw new PurlinError('PUR_INVALID', { message })
  }
  await passed()
  const { offset, sizeBytes } = call.query
  return await content.upload(kind, name, {
    ...{ offset, sizeBytes, body: call.body, signal: call.signal },
  })
}

function nameOf({ params }: Pick<Call, 'params'>): string {
  return params.name ?? ''
}
