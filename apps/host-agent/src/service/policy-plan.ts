import { formatAddress, PurlinError, toPurlinError } from '@purlin/base'
import {
  comparePolicies,
  connectionsToEnd,
  type FilteredNic,
  type NetfilterDesired,
  protocolWord,
  type TrackedConnection,
} from '@purlin/netfilter'
import type { PolicyPlan, PolicyRegion, TrackedFlow } from '@purlin/schema'

/** Lists the connections of the given zones. */
export type ListConnections = (zones: ReadonlySet<number>) => Promise<readonly TrackedConnection[]>

/** What going from one policy to another would newly allow, newly deny and cut on this host.
 *  Errors: PUR_INVALID. */
export async function policyPlan(
  before: NetfilterDesired,
  after: NetfilterDesired,
  list: ListConnections,
): Promise<PolicyPlan> {
  const alike = nicsAlike(before, after)
  const only = (desired: NetfilterDesired): NetfilterDesired => ({
    ...desired,
    nics: desired.nics.filter(({ port }) => alike.has(port)),
  })
  const { changes, complete } = comparePolicies(only(before), only(after))
  const regions = changes.map(({ port, change, ...rest }) => ({
    change,
    region: { nics: alike.get(port) ?? [], ...rest } as PolicyRegion,
  }))
  const of = (wanted: (typeof regions)[number]['change']): PolicyRegion[] =>
    regions.filter(({ change }) => change === wanted).map(({ region }) => region)
  return {
    newlyAllowed: of('newly-allowed'),
    newlyDenied: of('newly-denied'),
    complete,
    ...(await flowsToEnd(before, after, list)),
  }
}

/** Of NICs whose lists are equal, before and after, one, with the names of all: what is said of
 *  their lists need be found out only once. */
function nicsAlike(
  before: NetfilterDesired,
  after: NetfilterDesired,
): ReadonlyMap<string, readonly string[]> {
  const former = new Map(before.nics.map((nic) => [nic.port, nic]))
  const first = new Map<string, string>()
  const alike = new Map<string, string[]>()
  for (const nic of after.nics) {
    const was = former.get(nic.port)
    if (was === undefined) continue
    const key = JSON.stringify([was, nic].map(listPart))
    const port = first.get(key) ?? nic.port
    first.set(key, port)
    alike.set(port, [...(alike.get(port) ?? []), nic.port.replace('.', '/')])
  }
  return alike
}

function listPart({ groups, filtered, defaultPolicy, alwaysOpen, servers }: FilteredNic): unknown {
  return { groups, filtered, defaultPolicy, alwaysOpen, servers }
}

async function flowsToEnd(
  before: NetfilterDesired,
  after: NetfilterDesired,
  list: ListConnections,
): Promise<Pick<PolicyPlan, 'connectionsToEnd' | 'unread'>> {
  const zones = new Map(after.nics.map((nic) => [nic.zone, nic]))
  try {
    const standing = await list(new Set(zones.keys()))
    const ended = connectionsToEnd(before, after, standing)
    return { connectionsToEnd: ended.map((one) => flowOf(one, zones.get(one.zone))) }
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    return { connectionsToEnd: [], unread: toPurlinError(thrown).message }
  }
}

function flowOf({ original }: TrackedConnection, nic: FilteredNic | undefined): TrackedFlow {
  const { family, source, destination, protocol, sourcePort, destinationPort } = original
  const text = (value: bigint): string => formatAddress({ family, value })
  return {
    nic: nic?.port.replace('.', '/') ?? 'unknown',
    family,
    protocol: protocolWord(protocol),
    source: text(source),
    ...(sourcePort !== undefined && { sourcePort }),
    destination: text(destination),
    ...(destinationPort !== undefined && { destinationPort }),
  }
}
