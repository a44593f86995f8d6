import { type ErrorCode, errorEntry, type Fact, PurlinError } from '@purlin/base'
import type {
  ForeignMachine,
  HostView,
  LaneName,
  LaneView,
  MachineView,
} from '../status/host-view.ts'
import { UNSEEN_LANE } from '../status/host-view.ts'

/** Lanes of a host as its agent tells the others. */
export type ToldLanes = Readonly<
  Record<
    LaneName,
    Omit<LaneView, 'failure'> & { failure?: { summary: string; code: string; message: string } }
  >
>

/** What a host sees beside its lanes; it changes less often. */
export interface ToldSight {
  readonly facts: readonly string[]
  readonly machines: readonly (readonly [string, MachineView])[]
  readonly nics: readonly [string, unknown][]
  /** Absent from agents that do not tell it yet. */
  readonly foreign?: readonly ForeignMachine[]
}

/** The lanes of a view for the store. Pure. */
export function tellLanes({ lanes }: HostView): ToldLanes {
  return {
    netfilter: told(lanes.netfilter),
    vswitch: told(lanes.vswitch),
    virt: told(lanes.virt),
    storage: told(lanes.storage),
  }
}

/** The rest of a view for the store. Pure. */
export function tellSight({ facts, machines, nics, foreign }: HostView): ToldSight {
  return {
    facts: [...facts].toSorted(),
    machines: [...machines],
    nics: [...(nics ?? [])],
    ...(foreign && { foreign }),
  }
}

/** The view that another host has told of. Pure. */
export function heardView(lanes: ToldLanes | undefined, sight: ToldSight | undefined): HostView {
  const lane = (name: LaneName): LaneView =>
    lanes?.[name] === undefined ? UNSEEN_LANE : heard(lanes[name])
  return {
    facts: new Set(sight?.facts as readonly Fact[] | undefined),
    lanes: {
      netfilter: lane('netfilter'),
      vswitch: lane('vswitch'),
      virt: lane('virt'),
      storage: lane('storage'),
    },
    machines: new Map(sight?.machines),
    nics: new Map(sight?.nics as Iterable<never> | undefined),
    ...(sight?.foreign && { foreign: sight.foreign }),
  }
}

function told({ failure, ...lane }: LaneView): ToldLanes[LaneName] {
  if (failure === undefined) return lane
  const { code, message } = failure.error
  return { ...lane, failure: { summary: failure.summary, code, message } }
}

function heard({ failure, ...lane }: ToldLanes[LaneName]): LaneView {
  if (failure === undefined) return lane
  const { summary, message } = failure
  // A newer agent may know codes that this one does not.
  const code = errorEntry(failure.code) === undefined ? 'PUR_INTERNAL' : (failure.code as ErrorCode)
  return { ...lane, failure: { summary, error: new PurlinError(code, { message }) } }
}
