import {
  type FieldName,
  type Flow,
  type FlowAction,
  registers,
  type SwitchPortName,
  tables,
} from './flow.ts'
import { connectionBits } from './match.ts'

/** The fields of a frame that some flow may look at. */
export type Frame = Readonly<Partial<Record<FieldName, bigint | string>>>

/** What connection tracking says of the frame's connection in a zone. */
export type ConnectionOf = (zone: number) => 'new' | 'established' | 'related' | 'invalid'

/** A frame that left the switch. */
export interface Delivery {
  readonly port: SwitchPortName
  /** Of its tag; undefined without one. */
  readonly vlan: number | undefined
}

type State = Map<FieldName, bigint | string>
type Lookup = (state: State) => Flow | undefined

const STEP_LIMIT = 4_096
const PRESENT = 0x1000n

/** Carries frames through flows as Open vSwitch does, without one: the form is held against
 *  `interpret` by it. */
export function evaluatorOf(
  flows: readonly Flow[],
): (frame: Frame, connection: ConnectionOf) => readonly Delivery[] {
  const lookups = new Map<number, Lookup>()
  const byTable = Map.groupBy(flows, ({ table }) => table)
  for (const [table, own] of byTable) lookups.set(table, lookupOf(own))
  return (frame, connection) => {
    const deliveries: Delivery[] = []
    let steps = 0
    const enter = (table: number, state: State): void => {
      if (++steps > STEP_LIMIT) throw new Error('the flows do not end')
      const flow = lookups.get(table)?.(state)
      if (flow !== undefined) perform(flow.actions, state)
    }
    const perform = (actions: readonly FlowAction[], state: State): void => {
      for (const action of actions) step(action, state)
    }
    const step = (action: FlowAction, state: State): void => {
      switch (action.do) {
        case 'set':
          state.set(action.register, BigInt(action.value))
          return
        case 'set-network-from-tag':
          state.set(registers.network, numberOf(state, 'vlan_vid') & 0xfffn)
          return
        case 'go':
          enter(action.table, state)
          return
        case 'track': {
          const zone = Number(numberOf(state, registers.zone))
          const tracked = new Map(state).set('ct_state', stateBits(connection(zone)))
          enter(action.table, tracked)
          return
        }
        case 'copy':
          perform(action.actions, new Map(state))
          return
        case 'untag':
          state.set('vlan_vid', 0n)
          return
        case 'tag':
          state.set('vlan_vid', PRESENT | BigInt(action.vlan))
          return
        case 'output': {
          if (String(action.port) === String(state.get('in_port'))) return
          const tag = numberOf(state, 'vlan_vid')
          const vlan = (tag & PRESENT) === 0n ? undefined : Number(tag & 0xfffn)
          deliveries.push({ port: action.port, vlan })
          return
        }
        case 'drop':
        case 'commit':
        case 'conjunction':
          return
      }
    }
    enter(tables.source, new Map(Object.entries(frame) as [FieldName, bigint | string][]))
    return deliveries
  }
}

/** The lookup of one table. Flows are sorted by the first of these fields that they ask for, so
 *  that a lookup sees few of them. */
const SORTED_BY: readonly FieldName[] = ['reg7', 'reg6', 'in_port', 'reg5']

function lookupOf(flows: readonly Flow[]): Lookup {
  const sorted = Map.groupBy(
    flows.toSorted((a, b) => b.priority - a.priority),
    (flow) => {
      const key = SORTED_BY.find((field) => flow.match.some((one) => one.field === field))
      return key === undefined ? '' : `${key}=${flow.match.find((one) => one.field === key)?.value}`
    },
  )
  return (state) => {
    const some = ['', ...SORTED_BY.map((field) => `${field}=${numberOrName(state, field)}`)]
    const candidates = some.flatMap((key) => sorted.get(key) ?? [])
    let best: Flow | undefined
    for (const flow of candidates) {
      if (best !== undefined && flow.priority <= best.priority) continue
      if (flow.actions[0]?.do === 'conjunction') continue
      if (fits(flow, state, candidates)) best = flow
    }
    return best
  }
}

/** Whether all conditions hold; the number of a conjunction is there when a flow of the same
 *  priority fits for each of its clauses (ovs-fields, conj_id). */
function fits(flow: Flow, state: State, others: readonly Flow[]): boolean {
  return flow.match.every(({ field, value, mask }) => {
    if (field === 'conj_id') return isJoined(Number(value), flow.priority, state, others)
    const found = state.get(field) ?? 0n
    if (typeof value === 'string' || typeof found === 'string')
      return String(found) === String(value)
    return mask === undefined ? found === value : (found & mask) === value
  })
}

function isJoined(id: number, priority: number, state: State, others: readonly Flow[]): boolean {
  const clauses = new Set<number>()
  let wanted = 0
  for (const flow of others) {
    const [action] = flow.actions
    if (flow.priority !== priority || action?.do !== 'conjunction' || action.id !== id) continue
    wanted = action.of
    if (fits(flow, state, others)) clauses.add(action.clause)
  }
  return wanted > 0 && clauses.size === wanted
}

function stateBits(said: ReturnType<ConnectionOf>): bigint {
  return BigInt(connectionBits.tracked | connectionBits[said])
}

function numberOf(state: State, field: FieldName): bigint {
  const found = state.get(field)
  return typeof found === 'bigint' ? found : 0n
}

function numberOrName(state: State, field: FieldName): bigint | string {
  return state.get(field) ?? 0n
}
