import { type Clock, PurlinError, type Run } from '@purlin/base'
import { routerDevice, serviceDevice } from '@purlin/schema'
import { followProgram } from '../../inside/follow-program.ts'
import { inNamespace } from '../../links/batch.ts'
import type { Pipelines } from '../../openflow/pipelines.ts'
import type { Database } from '../../ovsdb/database.ts'
import { readText } from '../../services/folder.ts'
import { observeService } from '../../services/observe.ts'
import { legDevice, PORT_GROUP_END } from '../settings.ts'
import { observeRouter } from '../state.ts'
import {
  CROSS_TABLE,
  crossChains,
  type HopJudgement,
  isOver,
  judgeHop,
  readTraceLine,
  type TraceLine,
} from './trace-text.ts'

/** A packet that is sent through the namespaces of this host's gateways and router. */
export interface Crossing {
  /** The port group whose gateway gets it; absent: it comes to the router from outside. */
  readonly from?: string
  /** Absent: no router joins the port group. */
  readonly router?: string
  /** The port group that it shall go to; absent: it shall leave the router to the outside. */
  readonly to?: string
  /** An Ethernet frame to the gateway's MAC, or to the router's external one. */
  readonly frame: Uint8Array
  /** Bytes in it by which it is known, counted from its network header; at most 16. */
  readonly nonce: Uint8Array
  readonly nonceAt: number
}

/** One namespace on the way, and what became of the packet in it. */
export interface CrossedHop extends HopJudgement {
  readonly place: { readonly by: 'gateway' | 'router'; readonly name: string }
}

export interface CrossGrounds {
  readonly clock: Clock
  readonly run: Run
  readonly database: Pick<Database, 'replica'>
  readonly pipelines: Pick<Pipelines, 'inject'>
  readonly runFolder: string
  readonly signal: AbortSignal
}

interface Hop {
  readonly place: CrossedHop['place']
  readonly processId: number
  /** The device by which it goes to the next of the hops; by another one it leaves them. */
  readonly onward: string | undefined
  readonly lines: TraceLine[]
}

const CALL_MS = 5_000
const LISTEN_MS = 5_000
const TRACE_MS = 4_000
const LOOK_MS = 10
/** Netlink protocol of netfilter, and the bit of its group of traces (linux/netlink.h,
 *  linux/netfilter/nfnetlink.h). */
const NETFILTER = '12'
const TRACE_GROUP = 1 << 8
let isCrossing = false

/** Sends a packet to a gateway, or to a router from outside, as the switch would, and tells what
 *  the kernel did with it in each namespace: passed on, or dropped and by which rule. Behind the
 *  last namespace nobody gets it, and no translation of it is kept. One at a time. Errors:
 *  PUR_LIVE_BUSY, PUR_LIVE_UNAVAILABLE (what does not stand on this host), PUR_OVS_UNREACHABLE,
 *  PUR_OPENFLOW_REFUSED. */
export async function crossRouter(
  grounds: CrossGrounds,
  crossing: Crossing,
): Promise<readonly CrossedHop[]> {
  if (isCrossing) {
    const message = 'a packet is on its way through a router of this host already; ask again'
    throw new PurlinError('PUR_LIVE_BUSY', { message })
  }
  isCrossing = true
  const stop = new AbortController()
  const signal = AbortSignal.any([grounds.signal, stop.signal])
  const hops = await hopsOf(grounds.runFolder, crossing).catch((thrown) => {
    isCrossing = false
    throw thrown
  })
  try {
    const entry = await entryOf(grounds, crossing)
    for (const hop of hops) await nft(grounds, hop, crossTable(crossing, hop.onward))
    const followed = hops.map((hop) =>
      followProgram(hop.processId, ['nft', 'monitor', 'trace'], (line) => take(hop, line), signal),
    )
    const untilMs = grounds.clock.monotonicMs() + LISTEN_MS
    for (const { processId } of followed) {
      while (!(await listens(processId))) {
        if (grounds.clock.monotonicMs() > untilMs) throw untraceable()
        await grounds.clock.sleep(LOOK_MS, signal)
      }
    }
    await grounds.pipelines.inject(entry.bridge, entry.port, [crossing.frame], signal, 'out')
    const endMs = grounds.clock.monotonicMs() + TRACE_MS
    while (!allTold(hops) && grounds.clock.monotonicMs() < endMs) {
      await grounds.clock.sleep(LOOK_MS, signal)
    }
    return hops.map(({ place, lines }) => ({ place, ...judgeHop(lines) }))
  } finally {
    stop.abort()
    for (const hop of hops) {
      await nft(grounds, hop, `delete table inet ${CROSS_TABLE}\n`).catch(() => {})
    }
    isCrossing = false
  }
}

/** Whether the end of the packet's way was told, and all before it: each namespace is told of by a
 *  program of its own. */
function allTold(hops: readonly Hop[]): boolean {
  const last = hops.findIndex(ended)
  return last >= 0 && hops.slice(0, last).every(({ lines }) => isOver(lines))
}

/** The last thing that can be said of the packet was said here. */
function ended({ lines, onward }: Hop): boolean {
  if (!isOver(lines)) return false
  const { outcome, device } = judgeHop(lines)
  return outcome !== 'passed' || onward === undefined || device !== onward
}

function take(hop: Hop, line: string): void {
  const read = readTraceLine(line)
  if (read !== undefined) hop.lines.push(read)
}

async function hopsOf(runFolder: string, { from, router, to }: Crossing): Promise<readonly Hop[]> {
  const gateway = async (portGroup: string, onward: string | undefined): Promise<Hop> => {
    const { holder } = await observeService(runFolder, portGroup)
    if (holder === undefined) throw missing(`the gateway of port group ${portGroup}`)
    const place = { by: 'gateway', name: portGroup } as const
    return { place, processId: holder.processId, onward, lines: [] }
  }
  const first =
    from === undefined
      ? []
      : [await gateway(from, router === undefined ? undefined : PORT_GROUP_END)]
  if (router === undefined) return first
  const { holder } = await observeRouter(runFolder, router)
  if (holder === undefined) throw missing(`router ${router}`)
  const middle: Hop = {
    place: { by: 'router', name: router },
    processId: holder.processId,
    onward: to === undefined ? undefined : legDevice(to),
    lines: [],
  }
  return [...first, middle, ...(to === undefined ? [] : [await gateway(to, undefined)])]
}

function missing(what: string): PurlinError {
  const message = `${what} does not stand on this host; ask the agent of the sender’s host`
  return new PurlinError('PUR_LIVE_UNAVAILABLE', { message })
}

function untraceable(): PurlinError {
  const message = `"nft monitor trace" did not listen within ${LISTEN_MS} ms: see that nftables is installed, or ask again`
  return new PurlinError('PUR_LIVE_UNAVAILABLE', { message })
}

/** The switch port behind which the first namespace is. */
async function entryOf(
  { database, signal }: CrossGrounds,
  { from, router }: Crossing,
): Promise<{ readonly bridge: string; readonly port: number }> {
  const device = from === undefined ? routerDevice(router ?? '') : serviceDevice(from)
  const { interfaces, ports, bridges } = await database.replica(signal)
  const found = [...interfaces].find(([, { name }]) => name === device)
  const port = [...ports].find(([, row]) => row.interfaces.includes(found?.[0] ?? ''))?.[0]
  const bridge = [...bridges.values()].find((row) => row.ports.includes(port ?? ''))?.name
  const number = found?.[1].ofport
  if (bridge === undefined || number === undefined || number <= 0) {
    const message = `${device} is no open port of a switch of this host; ask the agent of the sender’s host`
    throw new PurlinError('PUR_LIVE_UNAVAILABLE', { message })
  }
  return { bridge, port: number }
}

/** Rules that follow the packet through a namespace. It is dropped where it would be taken in or
 *  would leave by another device than `onward`. */
function crossTable({ nonce, nonceAt }: Crossing, onward: string | undefined): string {
  const digits = Buffer.from(nonce).toString('hex')
  const ours = `@nh,${nonceAt * 8},${nonce.length * 8} 0x${digits}`
  const chain = (name: string, hook: string, priority: number, rules: readonly string[]): string =>
    `  chain ${name} {\n    type filter hook ${hook} priority ${priority};\n${rules.map((rule) => `    ${ours} ${rule}\n`).join('')}  }\n`
  const unless = onward === undefined ? '' : `oifname != "${onward}" `
  return [
    `table inet ${CROSS_TABLE} {}\ndelete table inet ${CROSS_TABLE}\n`,
    `table inet ${CROSS_TABLE} {\n`,
    chain(crossChains.begin, 'prerouting', -10_000, ['meta nftrace set 1']),
    chain(crossChains.host, 'input', 10_000, ['drop']),
    chain(crossChains.end, 'postrouting', 10_000, [`${unless}drop`]),
    '}\n',
  ].join('')
}

async function nft({ run }: CrossGrounds, hop: Hop, input: string): Promise<void> {
  const [program = '', ...args] = inNamespace(hop.processId, ['nft', '-f', '-'])
  await run(program, args, { timeoutMs: CALL_MS, input })
}

/** Whether a program hears of traces by now: the kernel shows the groups of its sockets. */
async function listens(processId: number | undefined): Promise<boolean> {
  const text = (await readText(`/proc/${processId}/net/netlink`)) ?? ''
  return text.split('\n').some((line) => {
    const [, protocol, owner, groups] = line.trim().split(/\s+/)
    return (
      protocol === NETFILTER &&
      Number(owner) === processId &&
      (Number.parseInt(groups ?? '0', 16) & TRACE_GROUP) !== 0
    )
  })
}
