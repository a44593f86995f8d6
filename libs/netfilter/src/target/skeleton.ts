import { shortHash } from '@purlin/base'
import { TAP_PREFIX } from '@purlin/schema'
import { builtIns } from '../policy/built-in.ts'
import type { KernelChain, KernelRule } from './kernel-ruleset.ts'
import {
  DIRECTION_MASK,
  FILTERED_MASK,
  hexadecimal,
  LOOSE_SET,
  MANAGED_MASK,
  markClass,
} from './names.ts'

const managed = `meta mark & ${hexadecimal(MANAGED_MASK)} == ${hexadecimal(markClass.outbound)}`
const notFiltered = `meta mark & ${hexadecimal(FILTERED_MASK)} != ${hexadecimal(markClass.outbound)}`

/** The chains that stand as long as the tables do. They are made once: recreating a base chain
 *  under traffic is where other ways of loading let single packets pass. */
export const skeletonChains: readonly KernelChain[] = versioned([
  {
    table: 'bridge',
    name: 'base-managed',
    rules: [
      { id: 'base/managed', text: `${managed} return` },
      { id: 'base/unmanaged', text: 'counter drop' },
    ],
  },
  {
    table: 'bridge',
    name: 'base-prerouting',
    hook: { hook: 'prerouting', priority: -300 },
    rules: [
      { id: 'base/guard', text: 'iifname vmap @guard' },
      { id: 'base/mark', text: 'meta mark set iifname map @nic-mark' },
    ],
  },
  {
    // A frame to the bridge's own MAC would go up to the host and be routed past every list.
    table: 'bridge',
    name: 'base-input',
    hook: { hook: 'input', priority: -200 },
    rules: [
      { id: 'base/host-closed-tap', text: `iifname "${TAP_PREFIX}*" counter drop` },
      { id: 'base/host-closed-cable', text: `${managed} counter drop` },
    ],
  },
  {
    // A tap nobody wrote rules for has no mark, and stays closed.
    table: 'bridge',
    name: 'base-forward',
    hook: { hook: 'forward', priority: -200 },
    rules: [
      { id: 'base/from-tap', text: `iifname "${TAP_PREFIX}*" jump base-managed` },
      { id: 'base/to-tap', text: `oifname "${TAP_PREFIX}*" jump base-managed` },
    ],
  },
  {
    table: 'bridge',
    name: 'base-postrouting',
    hook: { hook: 'postrouting', priority: 300 },
    rules: [{ id: 'base/unmark', text: `${managed} meta mark set 0x00000000` }],
  },
  {
    table: 'inet',
    name: 'base-raw',
    hook: { hook: 'prerouting', priority: -310 },
    rules: [{ id: 'base/zone', text: 'meta mark vmap @zone' }],
  },
  {
    // The host has nothing to say to a machine through its tap: without this its own IPv6 would
    // greet the machine there (MLD, router solicitations), past the switch.
    table: 'inet',
    name: 'base-output',
    hook: { hook: 'output', priority: 0 },
    rules: [{ id: 'base/silent-host', text: `oifname "${TAP_PREFIX}*" counter drop` }],
  },
  {
    table: 'inet',
    name: 'base-filter',
    hook: { hook: 'forward', priority: 0 },
    rules: [
      { id: 'base/not-filtered', text: `${notFiltered} accept` },
      { id: 'base/established', text: 'ct state established,related accept' },
      { id: 'base/invalid', text: 'ct state invalid counter drop' },
      {
        // Conntrack takes up a TCP connection in its middle, so without this rule one whose entry
        // was deleted would come back through the other direction's default.
        id: 'base/syn-first',
        text: `meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn meta mark != @${LOOSE_SET} counter drop`,
      },
      ...builtInRules(),
      { id: 'base/dispatch', text: 'meta mark vmap @dispatch' },
      { id: 'base/no-list', text: 'counter drop' },
    ],
  },
])

/** The names of these chains are fixed, so the hash of a chain's text goes into its rules' ids: a
 *  release that changes a rule finds the old chain different and rewrites it in place. */
function versioned(chains: readonly KernelChain[]): readonly KernelChain[] {
  return chains.map((chain) => {
    const hash = shortHash(JSON.stringify(chain), 8)
    return { ...chain, rules: chain.rules.map(({ id, text }) => ({ id: `${id}/${hash}`, text })) }
  })
}

function builtInRules(): readonly KernelRule[] {
  return builtIns.map((one) => {
    const id = `base/${one.name}`
    if ('icmpTypes' in one) {
      return { id, text: `icmpv6 type { ${one.icmpTypes.join(', ')} } accept` }
    }
    const family = `meta nfproto ${one.family}`
    const direction = `meta mark & ${hexadecimal(DIRECTION_MASK)} == ${hexadecimal(markClass[one.direction])}`
    const ports = `udp sport ${one.sourcePort} udp dport ${one.destinationPort}`
    return { id, text: `${family} ${direction} ${ports} accept` }
  })
}
