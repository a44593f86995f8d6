import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { type NetfilterDesired, NetfilterDriver } from '@purlin/netfilter'
import type { SecurityGroupSpec } from '@purlin/schema'
import { summarize } from '../quantile.ts'
import type { CommitRow } from './findings.ts'
import { neutronForm, zstackForm } from './peers.ts'
import { benchNic, groupName } from './purlin.ts'
import { asSecurityGroup, type PlainRule, plainRules } from './rules.ts'

const NICS = 100
const RULES = 100
/** Rules of each list that name the common group: 1,000 on the host. */
const NAMING = 10
const COMMON = 'common'
const MEMBERS = 500
const TIMEOUT_MS = 60_000
/** The peers' network namespace: what the kernel frees after one side's change would hold up the
 *  other's. Entering it costs them 1 to 2 ms. */
const PEERS = 'bench-peers'
/** USER_HZ of every machine Linux runs on. */
const TICK_MS = 10

/** Changes of one side, by turns with the others'. */
interface Side {
  readonly change: CommitRow['change']
  readonly name: string
  /** Before each turn, outside of what is counted. */
  before?(turn: number): Promise<void>
  once(turn: number): Promise<void>
  /** After each turn; counted by itself, as `settled`. */
  after?(): Promise<void>
}

/** Measures every change of every side, a turn each by turns. Must run in a network namespace of
 *  its own. */
export async function measureCommits(
  turns: number,
  tell: (detail: string) => void,
  signal: AbortSignal,
): Promise<readonly CommitRow[]> {
  const lists = Array.from({ length: NICS }, (_, index) => plainRules(RULES, 100 + index))
  await run('ip', ['netns', 'add', PEERS], { timeoutMs: TIMEOUT_MS })
  const folder = await mkdtemp(join(tmpdir(), 'bench-commits-'))
  try {
    const sides = [...purlinSides(lists, signal), ...(await peerSides(lists, folder))]
    return await measureSides(sides, turns, tell)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureSides(
  sides: readonly Side[],
  turns: number,
  tell: (detail: string) => void,
): Promise<readonly CommitRow[]> {
  const wallMs = sides.map((): number[] => [])
  const settledMs = sides.map((): number[] => [])
  const cpuMs = sides.map(() => 0)
  // A host is loaded once and then changed: cold loads have their turns first. The first turn opens
  // connections and fills caches; it is not counted.
  const rounds = [true, false].flatMap((isCold) =>
    Array.from({ length: turns + 1 }, (_, turn) => ({ isCold, turn })),
  )
  for (const { isCold, turn } of rounds) {
    tell(`${isCold ? 'cold loads' : 'changes'}, turn ${turn} of ${turns}`)
    for (const [index, side] of sides.entries()) {
      if (isCold !== (side.change === 'cold load')) continue
      await side.before?.(turn)
      const cpuBefore = await cpuOfTree()
      const startMs = systemClock.monotonicMs()
      await side.once(turn)
      const endMs = systemClock.monotonicMs()
      const cpuAfter = await cpuOfTree()
      await side.after?.()
      if (turn === 0) continue
      wallMs[index]?.push(endMs - startMs)
      cpuMs[index] = (cpuMs[index] ?? 0) + cpuAfter - cpuBefore
      if (side.after !== undefined) settledMs[index]?.push(systemClock.monotonicMs() - endMs)
    }
  }
  return sides.map(({ change, name }, index) => ({
    change,
    side: name,
    wall: summarize(wallMs[index] ?? []),
    ...(settledMs[index]?.length && { settled: summarize(settledMs[index]) }),
    cpuMs: Math.round(((cpuMs[index] ?? 0) / turns) * 10) / 10,
  }))
}

function purlinSides(lists: readonly (readonly PlainRule[])[], signal: AbortSignal): Side[] {
  const driver = new NetfilterDriver({ clock: systemClock })
  driver.watch(() => undefined, signal)
  const base = desiredOf(lists)
  let desired = base
  const round = async (): Promise<boolean> => {
    const steps = driver.plan(desired, await driver.observe(signal))
    for (const step of steps) await driver.execute(step, signal)
    return steps.length > 0
  }
  /** Until the new rules decide. */
  const enforce = async (next: NetfilterDesired): Promise<void> => {
    desired = next
    await round()
  }
  /** Until what they replaced is gone, and connections that they refuse are ended. */
  const after = async (): Promise<void> => {
    while (await round());
  }
  const remove = async (): Promise<void> => {
    desired = empty
    await after()
  }
  const empty: NetfilterDesired = { nics: [], groups: new Map(), members: new Map() }
  return [
    {
      change: 'cold load',
      name: 'Purlin',
      before: remove,
      once: async () => await enforce(base),
      after,
    },
    {
      change: 'one rule',
      name: 'Purlin',
      once: async (turn) => await enforce(withOtherRule(desired, turn)),
      after,
    },
    {
      change: 'one member',
      name: 'Purlin',
      once: async (turn) => await enforce(withOneMember(desired, turn)),
      after,
    },
  ]
}

/** Their rules go from file to program and back: the text of a whole host in this process would be
 *  garbage that is collected in the time of another side. */
async function peerSides(
  lists: readonly (readonly PlainRule[])[],
  folder: string,
): Promise<readonly Side[]> {
  const names = lists.map((_, index) => String(index))
  const host = {
    lists,
    taps: names.map((name) => `tap-${name}`),
    cables: names.map((name) => `cable-${name}`),
  }
  const inside = async (program: string, args: readonly string[], input?: string) =>
    await run('ip', ['netns', 'exec', PEERS, program, ...args], {
      timeoutMs: TIMEOUT_MS,
      ...(input !== undefined && { input }),
    })
  const text = (form: readonly string[]): string => `${form.join('\n')}\n`
  const fileOf = (name: string): string => join(folder, name)
  const [neutron, zstack, saved] = [fileOf('neutron'), fileOf('zstack'), fileOf('saved')]
  await writeFile(neutron, text(neutronForm(host)))
  await writeFile(zstack, text(zstackForm(host)))
  const members = Array.from({ length: MEMBERS }, (_, index) => memberAddress(index))
  const makeSet = (name: string): string[] => [
    `create ${name} hash:net family inet -exist`,
    ...members.map((address) => `add ${name} ${address} -exist`),
  ]
  return [
    {
      change: 'cold load',
      name: 'iptables-nft-restore, Neutron form',
      once: async () => void (await inside('iptables-nft-restore', [neutron])),
    },
    {
      change: 'cold load',
      name: 'iptables-nft-restore, ZStack form',
      once: async () => void (await inside('iptables-nft-restore', [zstack])),
    },
    {
      change: 'one rule',
      name: 'iptables-nft-save and -restore, ZStack form',
      once: async (turn) => {
        const added = `-A nic3-in -s 1.2.3.4/32 -p tcp -m tcp --dport ${1000 + turn} -j ACCEPT`
        await inside('iptables-nft-save', ['-t', 'filter', '-f', saved])
        await inside('sed', ['-i', `s|^COMMIT$|${added}\\n&|`, saved])
        await inside('iptables-nft-restore', [saved])
      },
    },
    {
      change: 'one member',
      name: 'ipset, rebuilt and swapped (ZStack)',
      before: async () => void (await inside('ipset', ['restore'], text(makeSet('members')))),
      once: async (turn) => {
        const steps = [
          ...makeSet('fresh'),
          `add fresh 10.9.9.${1 + (turn % 250)}`,
          'swap fresh members',
          'destroy fresh',
        ]
        await inside('ipset', ['restore'], text(steps))
      },
    },
  ]
}

/** Machine n has a group of its own with its list; in each list ten rules name the common group. */
function desiredOf(lists: readonly (readonly PlainRule[])[]): NetfilterDesired {
  const groups = new Map<string, SecurityGroupSpec>([[COMMON, asSecurityGroup([])]])
  lists.forEach((rules, index) => {
    const spec = asSecurityGroup(rules)
    const inbound = spec.inbound.map((rule, at) =>
      at % (RULES / NAMING) === 0
        ? {
            ...rule,
            source: { cidrs: [], addresses: [], ranges: [], groups: [COMMON], self: false },
          }
        : rule,
    )
    groups.set(groupName(index), { ...spec, inbound })
  })
  return {
    nics: lists.map((_, index) => benchNic(index, `tap-${index}`, `cable-${index}`)),
    groups,
    members: new Map([[COMMON, Array.from({ length: MEMBERS }, (_, index) => member(index))]]),
  }
}

function memberAddress(index: number): string {
  return `10.1.${index >> 8}.${index & 255}`
}

function member(index: number): { ipv4: readonly string[]; ipv6: readonly string[] } {
  return { ipv4: [memberAddress(index)], ipv6: [] }
}

/** The last rule of the fourth list gets another port. */
function withOtherRule(desired: NetfilterDesired, turn: number): NetfilterDesired {
  const name = groupName(3)
  const spec = desired.groups.get(name)
  if (spec === undefined) throw new Error(`no group ${name}`)
  const inbound = spec.inbound.map((rule, at) =>
    at === RULES - 1 ? { ...rule, ports: [String(60_000 + turn)] } : rule,
  )
  return { ...desired, groups: new Map(desired.groups).set(name, { ...spec, inbound }) }
}

function withOneMember(desired: NetfilterDesired, turn: number): NetfilterDesired {
  const members = [...(desired.members.get(COMMON) ?? []), member(MEMBERS + turn)]
  return { ...desired, members: new Map(desired.members).set(COMMON, members) }
}

/** Milliseconds of this process, finely, and of the programs it has waited for, in ticks. */
async function cpuOfTree(): Promise<number> {
  const { user, system } = process.cpuUsage()
  const status = await readFile('/proc/self/stat', 'utf8')
  // The second field is the program's name in brackets; those of waited-for children are 16 and 17.
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
  const waitedTicks = Number(fields[13]) + Number(fields[14])
  return (user + system) / 1000 + waitedTicks * TICK_MS
}
