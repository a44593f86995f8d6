import { readFile } from 'node:fs/promises'
import { PurlinError, type Run } from '@purlin/base'

const LIST_DEADLINE_MS = 5_000
const NAMES_FILE = '/proc/self/net/dev'

/** The settings of a Linux bridge that matter: none of them may learn, wait or snoop, and both
 *  families pass netfilter. Times are the kernel's, in hundredths of a second. */
export interface BridgeSettings {
  readonly stp: number
  readonly forwardDelay: number
  readonly ageing: number
  readonly multicastSnooping: number
  readonly filterIpv4: number
  readonly filterIpv6: number
}

/** A network link of the host, as `ip -json -details address` tells it. */
export interface Link {
  readonly name: string
  readonly index: number
  readonly kind: string | undefined
  readonly master: string | undefined
  readonly mtu: number
  readonly up: boolean
  readonly alias: string | undefined
  /** Name or number of the group that it is in, `default` as a rule. */
  readonly group: string | undefined
  readonly mac: string
  readonly bridge: BridgeSettings | undefined
  /** `ADDRESS/LENGTH` of each of its addresses. */
  readonly addresses: readonly string[]
}

/** Settings of a port's own bridge: it joins two ends and must not delay or learn. */
export const cableBridge: BridgeSettings = {
  stp: 0,
  forwardDelay: 0,
  ageing: 0,
  multicastSnooping: 0,
  filterIpv4: 1,
  filterIpv6: 1,
}

/** Reads every link of the host. Errors: PUR_LINK_FAILED, and those of `run`. */
export async function listLinks(
  run: Run,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Link>> {
  const { stdout } = await run('ip', ['-json', '-details', 'address', 'show'], {
    timeoutMs: LIST_DEADLINE_MS,
    ...(signal && { signal }),
  })
  return parseLinks(stdout)
}

/** Reads the named links alone, in one process; those that do not exist are left out. `ip` is not
 *  asked for these: a kernel with modules takes a name that it does not know for one to load, and
 *  starts modprobe twice for each (dev_load in net/core/dev_ioctl.c), which for many ports lasted
 *  longer than the deadline. Errors: as `listLinks`. */
export async function readLinks(
  run: Run,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Link>> {
  const there = namesOf(await readFile(NAMES_FILE, 'utf8'))
  const wanted = names.filter((name) => there.has(name))
  if (wanted.length === 0) return new Map()
  const { stdout } = await run('ip', ['-json', '-details', '-force', '-batch', '-'], {
    timeoutMs: LIST_DEADLINE_MS,
    input: wanted.map((name) => `address show dev ${name}\n`).join(''),
    acceptedExitCodes: [1, 2],
    ...(signal && { signal }),
  })
  const lists = stdout.split('\n').filter((line) => line.startsWith('[{'))
  return new Map(lists.flatMap((list) => [...parseLinks(list)]))
}

/** The names in the kernel's list of network links (proc(5), /proc/net/dev). Shape: two lines of
 *  heading, then a link each, `NAME: COUNTERS`. Pure. */
export function namesOf(text: string): ReadonlySet<string> {
  const names = text.split('\n').slice(2)
  return new Set(names.flatMap((line) => /^\s*(\S+):/.exec(line)?.slice(1) ?? []))
}

/** Reads the answer of `ip -json -details address show`. Errors: PUR_LINK_FAILED. */
export function parseLinks(text: string): ReadonlyMap<string, Link> {
  const rows: unknown = text.trim() === '' ? [] : JSON.parse(text)
  if (!Array.isArray(rows)) {
    throw new PurlinError('PUR_LINK_FAILED', {
      message: 'ip -json link show: expected a list of links, found something else',
    })
  }
  return new Map(rows.map((row) => [String(row.ifname), parseLink(row)]))
}

/** Whether a bridge has the settings. */
export function sameBridge(found: BridgeSettings | undefined, wanted: BridgeSettings): boolean {
  return (
    found !== undefined &&
    (Object.keys(wanted) as (keyof BridgeSettings)[]).every((key) => found[key] === wanted[key])
  )
}

interface LinkRow {
  readonly ifname: string
  readonly ifindex: number
  readonly flags?: readonly string[]
  readonly mtu: number
  readonly master?: string
  readonly address?: string
  readonly ifalias?: string
  readonly group?: string
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[]
  readonly linkinfo?: {
    readonly info_kind?: string
    readonly info_data?: Readonly<Record<string, unknown>>
  }
}

function parseLink(row: LinkRow): Link {
  const kind = row.linkinfo?.info_kind
  const settings = row.linkinfo?.info_data ?? {}
  const number = (key: string): number => Number(settings[key] ?? -1)
  return {
    name: row.ifname,
    index: row.ifindex,
    kind,
    master: row.master,
    mtu: row.mtu,
    up: row.flags?.includes('UP') === true,
    alias: row.ifalias,
    group: row.group,
    mac: row.address ?? '',
    bridge:
      kind === 'bridge'
        ? {
            stp: number('stp_state'),
            forwardDelay: number('forward_delay'),
            ageing: number('ageing_time'),
            multicastSnooping: number('mcast_snooping'),
            filterIpv4: number('nf_call_iptables'),
            filterIpv6: number('nf_call_ip6tables'),
          }
        : undefined,
    addresses: (row.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  }
}
