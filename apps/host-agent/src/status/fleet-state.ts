import type { StoredRecord } from '@purlin/service'
import type { HostState } from './host-state.ts'
import type { HostView, LaneName, LaneView } from './host-view.ts'
import { UNSEEN_LANE } from './host-view.ts'

/** The host that a resource is on; undefined: on this one, or on all. */
export type HostOf = (record: StoredRecord) => string | undefined

const LANES: readonly LaneName[] = ['netfilter', 'vswitch', 'virt', 'storage']

/** What is observed on every host of the fleet: on this one as it happens, on the others as their
 *  agents tell. */
export class FleetState {
  readonly #local: HostState
  readonly #host: string
  readonly #hostOf: HostOf
  readonly #others = new Map<string, HostView>()
  readonly #listeners = new Set<() => void>()
  /** All hosts as one, until any of them says something new. */
  #merged: HostView | undefined

  constructor(local: HostState, host: string, hostOf: HostOf) {
    this.#local = local
    this.#host = host
    this.#hostOf = hostOf
    local.subscribe(() => this.#tell())
  }

  /** Takes in what the other present hosts see; hosts that are not among them are away. */
  see(others: ReadonlyMap<string, HostView>): void {
    this.#others.clear()
    for (const [host, view] of others) this.#others.set(host, view)
    this.#tell()
  }

  /** What is seen of a resource: by the host it is on, or, where it is on all, by all together. */
  viewOf(record?: StoredRecord): HostView {
    const host = record && this.#hostOf(record)
    if (host === undefined) {
      this.#merged ??= mergedView(this.#host, this.#local.view(), this.#others)
      return this.#merged
    }
    if (host === this.#host) return this.#local.view()
    return this.#others.get(host) ?? absentView(host)
  }

  /** Listens until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(): void {
    this.#merged = undefined
    for (const listener of [...this.#listeners]) listener()
  }
}

/** All hosts as one: no further than the slowest, and failed where any has. Pure. */
export function mergedView(
  host: string,
  local: HostView,
  others: ReadonlyMap<string, HostView>,
): HostView {
  if (others.size === 0) return local
  const views: readonly (readonly [string, HostView])[] = [[host, local], ...others]
  const lane = (name: LaneName): LaneView =>
    mergedLane(views.map(([at, view]) => [at, view.lanes[name]]))
  return {
    facts: new Set(views.flatMap(([, { facts }]) => [...facts])),
    lanes: {
      netfilter: lane('netfilter'),
      vswitch: lane('vswitch'),
      virt: lane('virt'),
      storage: lane('storage'),
    },
    machines: new Map(views.flatMap(([, { machines }]) => [...machines])),
    foreign: views.flatMap(([, { foreign }]) => foreign ?? []),
    nics: new Map(views.flatMap(([, { nics }]) => [...(nics ?? [])])),
    ...(local.storage && { storage: local.storage }),
  }
}

function mergedLane(lanes: readonly (readonly [string, LaneView])[]): LaneView {
  const failed = lanes.find(([, { failure }]) => failure !== undefined)
  const failure = failed?.[1].failure
  const left = lanes.flatMap(([, { leftovers }]) => leftovers?.ports ?? [])
  const upTo = ({ convergedRevision, leftovers }: LaneView): number =>
    Math.max(convergedRevision, leftovers?.revision ?? 0)
  return {
    passedRevision: Math.min(...lanes.map(([, { passedRevision }]) => passedRevision)),
    convergedRevision: Math.min(...lanes.map(([, { convergedRevision }]) => convergedRevision)),
    waiting: lanes.flatMap(([host, { waiting }]) => waiting.map((what) => `${host}: ${what}`)),
    ...(left.length > 0 && {
      leftovers: { revision: Math.min(...lanes.map(([, lane]) => upTo(lane))), ports: left },
    }),
    ...(failure && {
      failure: { summary: `${failed?.[0]}: ${failure.summary}`, error: failure.error },
    }),
  }
}

/** What is known of a host that is away: nothing. */
function absentView(host: string): HostView {
  const lane: LaneView = { ...UNSEEN_LANE, waiting: [`host ${host} to come back`] }
  const lanes = Object.fromEntries(LANES.map((name) => [name, lane]))
  return { facts: new Set(), lanes: lanes as HostView['lanes'], machines: new Map() }
}
