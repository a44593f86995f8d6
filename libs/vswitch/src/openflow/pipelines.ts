import { createHash } from 'node:crypto'
import { type Clock, PurlinError } from '@purlin/base'
import { cookieOf, type NumberedPipeline, OUR_COOKIE, OUR_COOKIE_MASK } from '../flows/number.ts'
import {
  flowAddition,
  flowDeletion,
  flowsDeletion,
  matchBytes,
  messageTypes,
  meterChange,
  meterCommands,
  type NumberedFlow,
} from './message.ts'
import { packetOut } from './packet-out.ts'
import type { FlowEntry, MeterEntry } from './reply.ts'
import { type OpenflowSession, openOpenflow, type Request } from './session.ts'

const COMMIT_DEADLINE_MS = 20_000

/** A flow of a table that no pipeline goes to: whatever becomes of it, no packet meets it. */
const UNREACHED: NumberedFlow = {
  ...{ table: 253, priority: 0, match: [], actions: [], origin: 'refresh' },
  cookie: cookieOf('refresh'),
}

/** What is known of a bridge's flows. */
export interface PipelineObserved {
  /** Digest of what was committed last; undefined where nothing was, as far as we know. */
  readonly committed: string | undefined
  /** Whether our flows are as they were when they were committed. */
  readonly intact: boolean
  /** Flows without our cookie, the switch's own included. */
  readonly foreignFlows: number
}

/** The flows of this host's bridges: a connection to each, what was committed there, whether it
 *  still stands. */
export interface Pipelines {
  /** Looks at the bridges, each with the record of its last commit; one that cannot be asked has
   *  nothing committed. Reading costs nothing while nobody else changes flows. */
  observe(
    bridges: ReadonlyMap<string, string | undefined>,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, PipelineObserved>>
  /** Brings a bridge's flows and meters about, all flows at once. Returns the record to keep beside
   *  the bridge, by which the next agent knows what stands. Errors: PUR_OPENFLOW_REFUSED,
   *  PUR_OVS_UNREACHABLE. */
  commit(bridge: string, wanted: NumberedPipeline, signal?: AbortSignal): Promise<string>
  /** Makes the datapath ask anew what it does with packets that it knows. Errors: as `commit`. */
  refresh(bridge: string, signal?: AbortSignal): Promise<void>
  /** What the meters have counted. Errors: PUR_OVS_UNREACHABLE. */
  meters(bridge: string, signal?: AbortSignal): Promise<readonly MeterEntry[]>
  /** Hands frames to a bridge's flows as if they had come in by the port; with `out` to whoever is
   *  behind the port. Errors: PUR_OPENFLOW_REFUSED, PUR_OVS_UNREACHABLE. */
  inject(
    bridge: string,
    port: number,
    frames: readonly Uint8Array[],
    signal?: AbortSignal,
    way?: 'in' | 'out',
  ): Promise<void>
  onChange(listener: (bridge: string) => void, signal: AbortSignal): void
  close(): void
}

interface Committed {
  readonly digest: string
  readonly readBack: string
  /** The flows themselves; absent where another agent committed them. */
  readonly flows?: Keyed
}

type Keyed = ReadonlyMap<string, { readonly flow: NumberedFlow; readonly bytes: Buffer }>

interface BridgeState {
  session: OpenflowSession
  committed: Committed | undefined
  /** What was read last; undefined when it must be read again. */
  seen: { readonly digest: string; readonly foreignFlows: number } | undefined
}

/** Keeps the flows of bridges whose management sockets are in the folder. */
export function openPipelines(folder: string, clock: Clock): Pipelines {
  const stop = new AbortController()
  const states = new Map<string, Promise<BridgeState>>()
  /** Outlives a connection: the same ovs-vswitchd still has what was committed. */
  const remembered = new Map<string, Committed>()
  const listeners = new Set<(bridge: string) => void>()

  const open = async (bridge: string): Promise<BridgeState> => {
    let state: BridgeState | undefined
    const session = await openOpenflow({
      socketPath: `${folder}/${bridge}.mgmt`,
      clock,
      signal: stop.signal,
      onForeignChange: () => {
        if (state !== undefined) state.seen = undefined
        for (const listener of listeners) listener(bridge)
      },
    })
    state = { session, committed: remembered.get(bridge), seen: undefined }
    session.closed.then(() => {
      states.delete(bridge)
      if (stop.signal.aborted) return
      for (const listener of listeners) listener(bridge)
    })
    return state
  }
  const stateOf = async (bridge: string): Promise<BridgeState> => {
    const known = states.get(bridge)
    if (known !== undefined) return await known
    const made = open(bridge)
    states.set(bridge, made)
    made.catch(() => states.delete(bridge))
    return await made
  }
  const read = async (state: BridgeState, signal?: AbortSignal): Promise<readonly FlowEntry[]> => {
    // A change that comes while the list is read takes `seen` away again.
    const mark = { digest: '', foreignFlows: 0 }
    state.seen = mark
    const entries = await state.session.flows(signal)
    const ours = entries.filter(({ cookie }) => (cookie & OUR_COOKIE_MASK) === OUR_COOKIE)
    const after = { digest: entriesDigest(ours), foreignFlows: entries.length - ours.length }
    if (state.seen === mark) state.seen = after
    return ours
  }
  const look = async (
    bridge: string,
    record: string | undefined,
    signal?: AbortSignal,
  ): Promise<PipelineObserved> => {
    const state = await stateOf(bridge)
    state.committed ??= committedOf(record)
    if (state.seen === undefined || !state.session.watches) await read(state, signal)
    const { committed, seen } = state
    return {
      committed: committed?.digest,
      intact: committed !== undefined && committed.readBack === seen?.digest,
      foreignFlows: seen?.foreignFlows ?? 0,
    }
  }

  return {
    observe: async (bridges, signal) => {
      const found = await Promise.all(
        [...bridges].map(async ([bridge, record]) => {
          const nothing = { committed: undefined, intact: false, foreignFlows: 0 }
          return [bridge, await look(bridge, record, signal).catch(() => nothing)] as const
        }),
      )
      return new Map(found)
    },
    commit: async (bridge, wanted, signal) => {
      const what = `commit flows of ${bridge}`
      const state = await stateOf(bridge)
      if (state.seen === undefined) await read(state, signal)
      const before = state.committed
      const standsWhole = before !== undefined && before.readBack === state.seen?.digest
      const keyed = new Map(
        wanted.flows.map((flow) => [flowKey(flow), { flow, bytes: flowAddition(flow) }]),
      )
      const known = standsWhole ? before.flows : undefined
      const changes = known === undefined ? replacement(keyed) : difference(known, keyed)
      const standing = new Set((await state.session.meters(signal)).map(({ number }) => number))
      await state.session.send(what, meterRequests(wanted, standing), signal)
      state.committed = undefined
      remembered.delete(bridge)
      await state.session.commit(what, changes, COMMIT_DEADLINE_MS, signal)
      await state.session.send(what, staleMeters(wanted, standing), signal)
      const ours = await read(state, signal)
      refuseDifferent(what, ours, keyed)
      const readBack = entriesDigest(ours)
      const committed = { digest: wanted.digest, readBack, flows: keyed }
      state.committed = committed
      remembered.set(bridge, committed)
      return `${wanted.digest}/${readBack}`
    },
    refresh: async (bridge, signal) => {
      const { session } = await stateOf(bridge)
      const changes = [flowAddition(UNREACHED), flowDeletion(UNREACHED)]
      await session.commit(`refresh ${bridge}`, changes, COMMIT_DEADLINE_MS, signal)
    },
    meters: async (bridge, signal) => await (await stateOf(bridge)).session.meters(signal),
    inject: async (bridge, port, frames, signal, way = 'in') => {
      const { session } = await stateOf(bridge)
      const requests = frames.map((frame) => packetOut(port, frame, way))
      await session.send(`send frames on ${bridge}`, requests, signal)
    },
    onChange: (listener, signal) => {
      listeners.add(listener)
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
    close: () => {
      stop.abort()
      for (const state of states.values())
        state.then(
          ({ session }) => session.close(),
          () => {},
        )
    },
  }
}

function committedOf(record: string | undefined): Committed | undefined {
  const [digest, readBack] = record?.split('/') ?? []
  return digest === undefined || readBack === undefined ? undefined : { digest, readBack }
}

/** Flows to change from what stands to what should: those that are gone, then new and changed
 *  ones. */
function difference(before: Keyed, keyed: Keyed): readonly Buffer[] {
  const gone = [...before].filter(([key]) => !keyed.has(key))
  const changed = [...keyed].filter(
    ([key, { bytes }]) => before.get(key)?.bytes.equals(bytes) !== true,
  )
  return [
    ...gone.map(([, { flow }]) => flowDeletion(flow)),
    ...changed.map(([, { bytes }]) => bytes),
  ]
}

function replacement(keyed: Keyed): readonly Buffer[] {
  const all = flowsDeletion(OUR_COOKIE, OUR_COOKIE_MASK)
  return [all, ...[...keyed.values()].map(({ bytes }) => bytes)]
}

function flowKey({ table, priority, match }: NumberedFlow): string {
  return `${table} ${priority} ${matchBytes(match).toString('latin1')}`
}

function meterRequests(wanted: NumberedPipeline, standing: ReadonlySet<number>): Request[] {
  return wanted.meters.map((meter) => ({
    type: messageTypes.meterMod,
    body: meterChange(
      standing.has(meter.number) ? meterCommands.modify : meterCommands.add,
      meter.number,
      meter,
    ),
  }))
}

/** A meter takes its flows with it, so it goes last. */
function staleMeters(wanted: NumberedPipeline, standing: ReadonlySet<number>): Request[] {
  const kept = new Set(wanted.meters.map(({ number }) => number))
  return [...standing]
    .filter((number) => !kept.has(number))
    .map((number) => ({
      type: messageTypes.meterMod,
      body: meterChange(meterCommands.delete, number, { kbitPerSecond: 0, burstKbit: 0 }),
    }))
}

function entriesDigest(entries: readonly FlowEntry[]): string {
  const lines = entries.map(
    ({ table, priority, cookie, text }) => `${table} ${priority} ${cookie} ${text}`,
  )
  const hash = createHash('sha256')
  for (const line of lines.sort()) hash.update(line)
  return hash.digest('hex')
}

/** The switch may write a flow otherwise than it was sent, so numbers, priorities and cookies are
 *  compared. Errors: PUR_OPENFLOW_REFUSED. */
function refuseDifferent(what: string, found: readonly FlowEntry[], keyed: Keyed): void {
  const wanted = [...keyed.values()].map(({ flow }) => head(flow)).sort()
  const standing = found.map(head).sort()
  if (wanted.length === standing.length && wanted.every((one, at) => one === standing[at])) return
  throw new PurlinError('PUR_OPENFLOW_REFUSED', {
    message: `${what}: done, but ${standing.length} flows were read back where ${wanted.length} were sent, or others; somebody else changes flows with cookies of ours`,
  })
}

function head(flow: Pick<FlowEntry, 'table' | 'priority' | 'cookie'>): string {
  return `${flow.table} ${flow.priority} ${flow.cookie}`
}
