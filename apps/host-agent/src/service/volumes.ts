import { PurlinError } from '@purlin/base'
import type { ExtentList, NewEvent } from '@purlin/schema'
import type { Call, Catalogue } from '@purlin/service'
import type { ControlClient } from '@purlin/storage'
import { z } from 'zod'
import type { OperationHandlers } from '../api/handlers.ts'
import type { HostView } from '../status/host-view.ts'

/** What calls about volumes work with. */
export interface VolumeGrounds {
  /** Absent: this host serves no storage. */
  readonly daemon: ControlClient | undefined
  /** Begins a scrub of a pool; absent where `daemon` is. */
  readonly scrub: ((pool: string, deep: boolean) => void) | undefined
  readonly catalogue: () => Catalogue
  readonly view: () => HostView
  readonly tell: (event: NewEvent) => void
}

type VolumeCall = 'rollbackVolume' | 'volumeExtents' | 'snapshotExtents'

const CALL_DEADLINE_MS = 30_000
const extentsAnswer = z.object({
  sizeBytes: z.number(),
  extents: z.array(z.tuple([z.number(), z.number()])),
  next: z.number().nullable(),
})

/** The calls of the schema's storage operations. */
export function volumeHandlers(grounds: VolumeGrounds): Pick<OperationHandlers, VolumeCall> {
  return {
    rollbackVolume: async ({ params, body: { snapshot }, signal }) => {
      const volume = named(grounds, 'Volume', params.name)
      const found = grounds.catalogue().get('Snapshot', snapshot)?.manifest.spec.volume
      if (found !== volume) {
        const message = `${snapshot} is no snapshot of volume ${volume}; purlin snapshot list`
        throw new PurlinError('PUR_RESOURCE_MISSING', { message })
      }
      refuseInUse(grounds, volume)
      const call = { deadlineMs: CALL_DEADLINE_MS, signal }
      await daemonOf(grounds).call('volume-rollback', { name: volume, snapshot }, call)
      grounds.tell({
        type: 'volume.rolled-back',
        severity: 'notice',
        subject: { kind: 'Volume', name: volume },
        message: `volume ${volume} is again what snapshot ${snapshot} is`,
      })
      return { volume, snapshot }
    },
    volumeExtents: (call) => extents(grounds, named(grounds, 'Volume', call.params.name), call),
    snapshotExtents: (call) => extents(grounds, named(grounds, 'Snapshot', call.params.name), call),
  }
}

async function extents(
  grounds: VolumeGrounds,
  name: string,
  {
    query: { since, offset },
    signal,
  }: Call<{ readonly since?: string | undefined; offset: number }>,
): Promise<ExtentList> {
  const words = { name, offset, ...(since !== undefined && { since }) }
  const call = { deadlineMs: CALL_DEADLINE_MS, signal }
  const answer = await daemonOf(grounds).call('volume-extents', words, call)
  const parsed = extentsAnswer.safeParse(answer)
  if (!parsed.success) {
    const message = `the block daemon’s extents of ${name} are not as expected`
    throw new PurlinError('PUR_BLOCK_ANSWER', { message })
  }
  const { next, sizeBytes, extents: pairs } = parsed.data
  return {
    sizeBytes,
    extents: pairs.map(([start, length]) => ({ offset: start, length })),
    ...(next !== null && { next }),
  }
}

/** The machine would go on with what it has in memory of blocks that are no more. */
function refuseInUse({ catalogue, view }: VolumeGrounds, volume: string): void {
  const user = catalogue()
    .list('VirtualMachine')
    .find(({ manifest: { spec } }) => spec.disks.some((disk) => disk.volume === volume))
  if (user === undefined) return
  const { name } = user.manifest
  const state = view().machines.get(name)?.state ?? 'absent'
  if (state === 'stopped' || state === 'absent') return
  const message = `volume ${volume} is a disk of machine ${name}, which is ${state}; purlin vm stop ${name}`
  throw new PurlinError('PUR_BLOCK_IN_USE', { message, context: { machine: name } })
}

function named(
  { catalogue }: VolumeGrounds,
  kind: 'Volume' | 'Snapshot',
  name: string = '',
): string {
  if (catalogue().get(kind, name) !== undefined) return name
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
}

function daemonOf({ daemon }: VolumeGrounds): ControlClient {
  if (daemon !== undefined) return daemon
  const message = 'this host has no [storage] in its configuration'
  throw new PurlinError('PUR_KIND_NOT_SERVED', { message })
}
