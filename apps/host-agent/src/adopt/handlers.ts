import { PurlinError } from '@purlin/base'
import type { CatalogueFollower, Changes, Once } from '@purlin/service'
import { type LibvirtPort, notAdoptable, readForeign, readMachine } from '@purlin/virt'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Configuration } from '../config/config.ts'
import type { Presence } from '../fleet/presence.ts'
import { readImages } from '../service/images.ts'
import type { FleetState } from '../status/fleet-state.ts'
import { type AdoptionDraft, draftAdoption, type NicPlace } from './draft.ts'

export interface AdoptionGrounds {
  readonly configuration: Configuration
  readonly catalogue: CatalogueFollower
  readonly changes: Changes
  /** What is observed on all hosts. */
  readonly fleet: FleetState
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
  readonly foreignDomain: LibvirtPort['domain']
}

const LOOK_MS = 10_000

/** The calls that take foreign domains in. */
export function adoptionHandlers(
  grounds: AdoptionGrounds,
  once: Once,
): Pick<OperationHandlers, 'planAdoption' | 'adoptMachine'> {
  return {
    planAdoption: async ({ params, body, signal }) => {
      const draft = await draftOf(grounds, params.name ?? '', body.nics, signal)
      const { manifest, obstacles, changes } = draft
      const spec = { ...manifest.spec }
      return { manifest: { ...manifest, spec }, obstacles: [...obstacles], changes: [...changes] }
    },
    adoptMachine: (call) =>
      once(call, async (request) => {
        const name = call.params.name ?? ''
        const draft = await draftOf(grounds, name, call.body.nics, call.signal)
        if (draft.obstacles.length > 0) throw notAdoptable(name, draft.obstacles)
        return await grounds.changes.apply([draft.manifest], request)
      }),
  }
}

/** Errors: PUR_VIRT_NO_DOMAIN where no domain of that name is on this host, PUR_VIRT_REFUSED where
 *  it is Purlin's, and those of `LibvirtPort`. */
async function draftOf(
  grounds: AdoptionGrounds,
  name: string,
  nics: readonly NicPlace[],
  signal: AbortSignal | undefined,
): Promise<AdoptionDraft> {
  const { configuration, catalogue, presence } = grounds
  const host = configuration.host.name
  const call = { deadlineMs: LOOK_MS, ...(signal && { signal }) }
  const record = await grounds.foreignDomain(name, call).catch((thrown: unknown) => {
    const isMissing = thrown instanceof PurlinError && thrown.code === 'PUR_VIRT_NO_DOMAIN'
    throw isMissing ? notHere(grounds, name) : thrown
  })
  if (readMachine(record) !== undefined) {
    const message = `domain ${name} is a machine of Purlin already`
    throw new PurlinError('PUR_VIRT_REFUSED', { message })
  }
  const foreign = readForeign(record)
  if (foreign === undefined) throw notAdoptable(name, ['its XML cannot be read'])
  return draftAdoption(foreign, nics, {
    catalogue: catalogue.current(),
    images: await readImages(configuration.images.folder),
    volumeSockets: configuration.storage?.sockets,
    host: presence === undefined ? undefined : host,
  })
}

function notHere({ configuration, fleet }: AdoptionGrounds, name: string): PurlinError {
  const { name: host } = configuration.host
  const elsewhere = fleet.viewOf().foreign?.find((one) => one.name === name)?.host
  const message =
    elsewhere === undefined
      ? `no domain named ${name} on host ${host}`
      : `domain ${name} is on host ${elsewhere}: only the agent there takes it in; ask that one`
  return new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context: { domain: name } })
}
