import type { ForwardDesired, RouterDesired, SteeredDesired } from './desired.ts'
import { EXTERNAL_DEVICE, steeringMark } from './settings.ts'

/** Family and name of the one table in a router's namespace. */
export const ROUTER_TABLE = 'inet purlin-router'
const OUT = `oifname "${EXTERNAL_DEVICE}"`
const IN = `iifname "${EXTERNAL_DEVICE}"`

/** One family's words of nft, and what of the router is of it. */
interface FamilyPart {
  readonly word: 'ip' | 'ip6'
  readonly digit: '4' | '6'
  readonly type: string
  /** Networks behind the router. */
  readonly inside: readonly string[]
  /** From an external address to its machine, and from the machine to the address it leaves
   *  under. */
  readonly arriving: readonly (readonly [string, string])[]
  readonly leaving: readonly (readonly [string, string])[]
  /** From a machine to an external address of it, whichever there is. */
  readonly known: readonly (readonly [string, string])[]
  /** The router's own external addresses, that of the host first. */
  readonly own: readonly string[]
  readonly host: string | undefined
}

/** The rules of a router's namespace, for `nft -f -`: one transaction, which leaves connections
 *  that are translated already as they are. What goes between joined port groups is not tracked: it
 *  leaves by the router of one host and its answers by that of another, and the lists of both ends
 *  decide about it. Pure. */
export function routerRules(router: RouterDesired): string {
  const parts = [partOf(router, 'ip'), partOf(router, 'ip6')]
  const translates = router.external?.snat === true
  return [
    `table ${ROUTER_TABLE} {}`,
    `delete table ${ROUTER_TABLE}`,
    `table ${ROUTER_TABLE} {`,
    ...parts.flatMap(setsOf),
    ...chain('raw', 'filter hook prerouting priority -300', [
      ...parts.map(
        ({ word, digit }) => `${word} saddr @inside${digit} ${word} daddr @inside${digit} notrack`,
      ),
      ...router.steered.map(
        (one) => `${matchOf(one)} meta mark set ${steeringMark(router, one.via)} notrack`,
      ),
    ]),
    ...chain('arrive', 'nat hook prerouting priority -100', [
      ...router.forwards.map((one) => `${matchOf(one)} ${translationOf(one)}`),
      ...parts.map(({ word, digit }) => `dnat ${word} to ${word} daddr map @arriving${digit}`),
    ]),
    ...chain('pass', 'filter hook forward priority 0', [
      ...(translates
        ? [
            `${IN} ${OUT} ct state untracked accept`,
            `${IN} ct state established,related accept`,
            `${IN} ct status dnat accept`,
            `${IN} counter drop`,
            `${OUT} ct state invalid counter drop`,
            ...parts.flatMap(unable),
          ]
        : []),
    ]),
    ...chain('leave', 'nat hook postrouting priority 100', [
      // A machine that speaks to an external address of this router: its answer comes back here.
      ...parts.map(
        ({ word, digit }) =>
          `oifname "leg-*" ct status dnat ${word} saddr @inside${digit} snat ${word} to ${word} daddr map @known${digit}`,
      ),
      ...parts.map(
        ({ word, digit }) => `${OUT} snat ${word} to ${word} saddr map @leaving${digit}`,
      ),
      ...(translates ? parts.flatMap(underHost) : []),
    ]),
    '}',
    '',
  ].join('\n')
}

function partOf(router: RouterDesired, word: 'ip' | 'ip6'): FamilyPart {
  const isOf = (text: string): boolean => text.includes(':') === (word === 'ip6')
  const floating = router.floating.filter(({ address }) => isOf(address))
  const forwards = router.forwards.filter(({ address }) => isOf(address))
  const inside = router.legs.flatMap(({ subnets, routes }) => [
    ...subnets.map(({ cidr }) => cidr),
    ...routes.map(({ to }) => to),
  ])
  const hosts = (router.external?.addresses ?? [])
    .map((address) => address.slice(0, address.indexOf('/')))
    .filter(isOf)
  const leaving = unique(floating.map(({ address, to }) => [to, address]))
  return {
    word,
    digit: word === 'ip' ? '4' : '6',
    type: word === 'ip' ? 'ipv4_addr' : 'ipv6_addr',
    inside: inside.filter(isOf),
    arriving: floating.map(({ address, to }) => [address, to]),
    leaving,
    known: unique([...leaving, ...forwards.map(({ address, to }) => [to, address] as const)]),
    own: [...hosts, ...router.answered.filter(isOf), ...(word === 'ip6' ? ['fe80::/10'] : [])],
    host: hosts[0],
  }
}

/** The first pair of each key. */
function unique(
  pairs: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  const seen = new Map<string, string>()
  for (const [key, value] of pairs) if (!seen.has(key)) seen.set(key, value)
  return [...seen]
}

function setsOf({ digit, type, inside, arriving, leaving, known }: FamilyPart): readonly string[] {
  const map = (name: string, pairs: readonly (readonly [string, string])[]): readonly string[] =>
    declared(
      `map ${name}${digit}`,
      [`type ${type} : ${type}`],
      pairs.map(([key, value]) => `${key} : ${value}`),
    )
  return [
    ...declared(`set inside${digit}`, [`type ${type}`, 'flags interval', 'auto-merge'], inside),
    ...map('arriving', arriving),
    ...map('leaving', leaving),
    ...map('known', known),
  ]
}

function declared(
  name: string,
  lines: readonly string[],
  elements: readonly string[],
): readonly string[] {
  return [
    `  ${name} {`,
    ...lines.map((line) => `    ${line}`),
    ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]),
    '  }',
  ]
}

function chain(name: string, hook: string, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, `    type ${hook};`, ...rules.map((rule) => `    ${rule}`), '  }']
}

function matchOf({ address, protocol, first, last }: ForwardDesired | SteeredDesired): string {
  const family = address.includes(':') ? 'ip6' : 'ip'
  const ports = first === last ? String(first) : `${first}-${last}`
  return `${family} daddr ${address} ${protocol} dport ${ports}`
}

function translationOf({ to, toPort }: ForwardDesired): string {
  const six = to.includes(':')
  const target = toPort === undefined ? to : `${six ? `[${to}]` : to}:${toPort}`
  return `dnat ${six ? 'ip6' : 'ip'} to ${target}`
}

/** What leaves under none of the router's own addresses leaves under the host's. */
function underHost({ word, own, host }: FamilyPart): readonly string[] {
  if (host === undefined) return []
  return [`${OUT} ${word} saddr != { ${own.join(', ')} } snat ${word} to ${host}`]
}

/** A host without an address of its own in a family refuses whoever has no floating one: he would
 *  leave under an address that means nothing outside. */
function unable({ word, digit, host, leaving }: FamilyPart): readonly string[] {
  if (host !== undefined) return []
  const but = leaving.map(([inside]) => inside)
  const unless = but.length === 0 ? '' : ` ${word} saddr != { ${but.join(', ')} }`
  const refusal = `reject with ${word === 'ip' ? 'icmp' : 'icmpv6'} type admin-prohibited`
  return [`${OUT} ${word} saddr @inside${digit}${unless} ct direction original ${refusal}`]
}
