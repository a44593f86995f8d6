import { shortHash } from '@purlin/base'
import { TAP_PREFIX } from '@purlin/schema'
import { OWN_MARK, OWN_MARK_MASK } from '../compile/form.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import {
  counter,
  ends,
  is,
  isAnyOf,
  isInSet,
  isMasked,
  isState,
  leads,
  markBy,
  verdictBy,
} from './build.ts'
import { FILTERED_MASK, LOOSE_SET, MANAGED_MASK, markClass } from './names.ts'
import type { Chain, Rule, Statement } from './statement.ts'
import { ruleText } from './text.ts'

const managed = isMasked('meta mark', MANAGED_MASK, markClass.outbound)
/** Every mark that is ours, those a list has written included. */
const own = isMasked('meta mark', OWN_MARK_MASK, OWN_MARK)
const notFiltered = isMasked('meta mark', FILTERED_MASK, markClass.outbound, '!=')
const fromTap = is('meta iifname', `${TAP_PREFIX}*`)
const toTap = is('meta oifname', `${TAP_PREFIX}*`)
const byMark = { fields: ['meta mark'] as const }
const byDevice = { fields: ['meta iifname'] as const }

/** TCP flags: of fin, syn, rst and ack only syn. */
const FLAGS_ASKED = 0x17
const SYN = 0x02

/** The chains that stand as long as the tables do. They are made once: recreating a base chain
 *  under traffic is where other ways of loading let single packets pass. */
export const baseChains: readonly Chain[] = versioned([
  {
    table: 'bridge',
    name: 'base-managed',
    rules: [rule('managed', managed, ends('return')), rule('unmanaged', counter, ends('drop'))],
  },
  {
    table: 'bridge',
    name: 'base-prerouting',
    hook: { hook: 'prerouting', priority: -300 },
    rules: [
      rule('guard', verdictBy(byDevice, 'guard')),
      rule('mark', markBy(byDevice, 'nic-mark')),
    ],
  },
  {
    // A frame to the bridge's own MAC would go up to the host and be routed past every list.
    table: 'bridge',
    name: 'base-input',
    hook: { hook: 'input', priority: -200 },
    rules: [
      rule('host-closed-tap', fromTap, counter, ends('drop')),
      rule('host-closed-cable', managed, counter, ends('drop')),
    ],
  },
  {
    // A tap nobody wrote rules for has no mark, and stays closed.
    table: 'bridge',
    name: 'base-forward',
    hook: { hook: 'forward', priority: -200 },
    rules: [
      rule('from-tap', fromTap, leads('jump', 'base-managed')),
      rule('to-tap', toTap, leads('jump', 'base-managed')),
    ],
  },
  {
    table: 'bridge',
    name: 'base-postrouting',
    hook: { hook: 'postrouting', priority: 300 },
    rules: [rule('unmark', own, { kind: 'set-mark', to: 0 })],
  },
  {
    table: 'inet',
    name: 'base-raw',
    hook: { hook: 'prerouting', priority: -310 },
    rules: [rule('zone', verdictBy(byMark, 'zone'))],
  },
  {
    // The host has nothing to say to a machine through its tap: without this its own IPv6 would
    // greet the machine there (MLD, router solicitations), past the switch.
    table: 'inet',
    name: 'base-output',
    hook: { hook: 'output', priority: 0 },
    rules: [rule('silent-host', toTap, counter, ends('drop'))],
  },
  {
    table: 'inet',
    name: 'base-filter',
    hook: { hook: 'forward', priority: 0 },
    rules: [
      rule('not-filtered', notFiltered, ends('accept')),
      rule('established', isState('established'), ends('accept')),
      rule('invalid', isState('invalid'), counter, ends('drop')),
      // Conntrack takes up a TCP connection in its middle, so without this rule one whose entry was
      // deleted would come back through the other direction's default.
      rule(
        'syn-first',
        is('meta l4proto', protocolNumbers.tcp),
        isMasked('tcp flags', FLAGS_ASKED, SYN, '!='),
        isInSet('meta mark', LOOSE_SET, '!='),
        counter,
        ends('drop'),
      ),
      // A connection keeps which of the NIC's lists let it begin. Not of an ICMP error: the entry
      // is that of the flow it is about.
      rule('direction', isState('new'), { kind: 'keep-mark' }),
      // Only these protocols have anything that passes by itself.
      rule(
        'open',
        isAnyOf('meta l4proto', [
          protocolNumbers.icmp,
          protocolNumbers.udp,
          protocolNumbers.icmpv6,
        ]),
        verdictBy(byMark, 'open'),
      ),
      rule('dispatch', verdictBy(byMark, 'dispatch')),
      rule('no-list', counter, ends('drop')),
    ],
  },
])

function rule(name: string, ...statements: readonly Statement[]): Rule {
  return { id: `base/${name}`, statements }
}

/** The names of these chains are fixed, so the hash of a chain's text goes into its rules' ids: a
 *  release that changes a rule finds the old chain different and rewrites it in place. */
function versioned(chains: readonly Chain[]): readonly Chain[] {
  return chains.map((chain) => {
    const texts = chain.rules.map((one) => `${one.id} ${ruleText(one)}`)
    const hash = shortHash(JSON.stringify([chain.table, chain.name, chain.hook, texts]), 8)
    const rules = chain.rules.map(({ id, statements }) => ({ id: `${id}/${hash}`, statements }))
    return { ...chain, rules }
  })
}
