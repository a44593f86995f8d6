import { shortHash } from '@purlin/base'
import { flatten } from '../flatten.ts'
import { checkDesired } from '../policy/check.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import {
  deliverFlows,
  destinationFlows,
  type OutsidePort,
  type PluggedPort,
  sourceFlows,
} from './dispatch.ts'
import { cookieOf, type Flow, type SwitchPortName } from './flow.ts'
import { guardFlows } from './guard.ts'
import { listFlows } from './list.ts'
import { openFlows, sharedStateFlows, takeUpFlows } from './state.ts'

const DIRECTIONS: readonly Direction[] = ['outbound', 'inbound']

/** Where a NIC is plugged. */
export interface OpenflowPlug {
  readonly port: SwitchPortName
  readonly vlan: number
  /** Its TCP connections are taken up in their middle: it has just come from another host. */
  readonly takesUp?: boolean
}

/** One Open vSwitch bridge: where the NICs are plugged, and what else it has. */
export interface OpenflowSwitch {
  /** By NIC (`MACHINE.NIC`); NICs that are not here are on another switch. */
  readonly plugs: ReadonlyMap<string, OpenflowPlug>
  readonly outside: readonly OutsidePort[]
}

/** The flows of a bridge, and what each cookie means. */
export interface OpenflowRuleset {
  readonly flows: readonly Flow[]
  /** Origin by cookie, as `ofproto/trace` and `dump-flows` print it: `web/inbound/0`. */
  readonly origins: ReadonlyMap<string, string>
  /** NICs whose frames carry tags, which no list sees into: they have no flows, and are closed. */
  readonly notEnforced: readonly string[]
}

/** Compiles the policy of NICs that are plugged straight into Open vSwitch, without a bridge of
 *  their own: guards, the sender's outbound list, and for each receiver its inbound list, with
 *  connection tracking in a zone per NIC. NICs with equal lists share their flows, and every number
 *  is made of what it stands for, so that a change of one list leaves the flows of others as they
 *  are. Pure. Errors: PUR_INVALID. */
export function compileOpenflow(
  desired: NetfilterDesired,
  { plugs, outside }: OpenflowSwitch,
): OpenflowRuleset {
  checkDesired(desired)
  const lists = new Lists(desired)
  const here = desired.nics.filter((nic) => plugs.has(nic.port))
  const plugged = here.flatMap((nic): PluggedPort[] => {
    const plug = plugs.get(nic.port)
    if (plug === undefined || nic.trunk) return []
    return [
      {
        nic,
        ...plug,
        lists: {
          inbound: lists.numberOf(nic, 'inbound'),
          outbound: lists.numberOf(nic, 'outbound'),
        },
      },
    ]
  })
  const flows = [
    ...sourceFlows(plugged, outside),
    ...plugged.flatMap(({ nic, port }) => [
      ...guardFlows(nic, port),
      ...(nic.filtered && plugs.get(nic.port)?.takesUp === true ? takeUpFlows(nic.zone) : []),
      ...DIRECTIONS.flatMap((direction) =>
        nic.filtered ? openFlows(flatten(nic, direction, desired), nic.zone) : [],
      ),
    ]),
    ...sharedStateFlows(),
    ...lists.flows,
    ...destinationFlows(plugged, outside),
    ...deliverFlows(plugged),
  ]
  return {
    flows,
    origins: new Map(flows.map(({ origin }) => [cookieOf(origin), origin])),
    notEnforced: here.filter(({ trunk }) => trunk).map(({ port }) => port),
  }
}

/** The lists in use and their numbers. */
class Lists {
  readonly flows: Flow[] = []
  readonly #desired: NetfilterDesired
  readonly #numbers = new Map<string, number>()
  readonly #taken = new Set<number>([0])

  constructor(desired: NetfilterDesired) {
    this.#desired = desired
  }

  /** 31 bits of a hash of the list's meaning; 0 where the NIC is not filtered. */
  numberOf(nic: FilteredNic, direction: Direction): number {
    if (!nic.filtered) return 0
    const key = JSON.stringify([direction, nic.groups, nic.defaultPolicy[direction]])
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    let number = 0
    for (let round = 0; this.#taken.has(number); round++) {
      number = Number.parseInt(shortHash(`list ${key} ${round}`, 8), 16) >>> 1
    }
    this.#taken.add(number)
    this.#numbers.set(key, number)
    this.flows.push(...listFlows(flatten(nic, direction, this.#desired), number))
    return number
  }
}
