import { createHash } from 'node:crypto'
import { shortHash } from '@purlin/base'
import type { NumberedFlow } from '../openflow/message.ts'
import type { FieldMatch, Flow, FlowAction, Pipeline } from './flow.ts'

/** Numbers of a bridge's ports in OpenFlow, by device. */
export type PortNumbers = ReadonlyMap<string, number>

/** The first byte of every cookie of ours; other flows are not touched. */
export const OUR_COOKIE = 0x70n << 56n
export const OUR_COOKIE_MASK = 0xffn << 56n

/** A meter with its number, which is its port's. */
export interface NumberedMeter {
  readonly number: number
  readonly kbitPerSecond: number
  readonly burstKbit: number
}

export interface NumberedPipeline {
  readonly digest: string
  readonly flows: readonly NumberedFlow[]
  readonly meters: readonly NumberedMeter[]
}

/** The pipeline with the numbers of its ports. Flows that match on a port that does not exist are
 *  left out, and so is sending to one: when it comes, the digest is another. Pure. */
export function numberPipeline(pipeline: Pipeline, ports: PortNumbers): NumberedPipeline {
  const metered = new Set(pipeline.meters.map(({ port }) => port))
  return {
    digest: pipelineDigest(pipeline, ports),
    flows: pipeline.lists.flatMap((list) => list.flatMap((flow) => numbered(flow, ports, metered))),
    meters: pipeline.meters.flatMap(({ port, kbitPerSecond, burstKbit }) => {
      const number = ports.get(port)
      return number === undefined ? [] : [{ number, kbitPerSecond, burstKbit }]
    }),
  }
}

/** What a pipeline is known by: it differs when a flow, a meter or the number of a port that it
 *  names does. Pure. */
export function pipelineDigest({ lists, meters }: Pipeline, ports: PortNumbers): string {
  const hash = createHash('sha256')
  const names = new Set(meters.map(({ port }) => port))
  for (const list of lists) {
    const read = readList(list)
    hash.update(read.digest)
    for (const name of read.names) names.add(name)
  }
  hash.update(JSON.stringify(meters))
  for (const name of [...names].sort()) hash.update(`${name}=${ports.get(name)} `)
  return hash.digest('hex').slice(0, 32)
}

/** The cookie of all flows of one origin: what traces and lists of flows show. */
export function cookieOf(origin: string): bigint {
  return BigInt(`0x70${shortHash(`flow ${origin}`, 14)}`)
}

interface ReadList {
  readonly digest: string
  /** Ports that its flows name. */
  readonly names: ReadonlySet<string>
}

/** A list of ten thousands of flows is read once, however often it is compared. */
const readLists = new WeakMap<readonly Flow[], ReadList>()

function readList(list: readonly Flow[]): ReadList {
  const known = readLists.get(list)
  if (known !== undefined) return known
  const names = new Set<string>()
  const plain = (key: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return `0x${value.toString(16)}`
    if ((key === 'port' || key === 'value') && typeof value === 'string') names.add(value)
    return value
  }
  const digest = createHash('sha256').update(JSON.stringify(list, plain)).digest('hex')
  const made = { digest, names }
  readLists.set(list, made)
  return made
}

function numbered(
  flow: Flow,
  ports: PortNumbers,
  metered: ReadonlySet<string>,
): readonly NumberedFlow[] {
  let meter: number | undefined
  const match: FieldMatch[] = []
  for (const one of flow.match) {
    if (typeof one.value !== 'string') {
      match.push(one)
      continue
    }
    const number = ports.get(one.value)
    if (number === undefined) return []
    if (flow.table === 0 && metered.has(one.value)) meter = number
    match.push({ field: one.field, value: BigInt(number) })
  }
  const actions = withNumbers(flow.actions, ports)
  const cookie = cookieOf(flow.origin)
  return [{ ...flow, match, actions, cookie, ...(meter !== undefined && { meter }) }]
}

function withNumbers(actions: readonly FlowAction[], ports: PortNumbers): readonly FlowAction[] {
  return actions.flatMap((action): FlowAction[] => {
    if (action.do === 'copy') return [{ do: 'copy', actions: withNumbers(action.actions, ports) }]
    if (action.do !== 'output' || typeof action.port !== 'string') return [action]
    const port = ports.get(action.port)
    return port === undefined ? [] : [{ do: 'output', port }]
  })
}
