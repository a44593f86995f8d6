import { quantile } from '../quantile.ts'
import type { Look, ObserveFindings, ObserveSet } from './findings.ts'

/** A full look at 200 machines may take this long. */
const OBSERVE_GOAL_MS = 1_000
/** What we look at may take as long as virsh takes. */
const RATIO_GOAL = 1
const AGENT_GOAL_MIB = 200

/** The findings as lines for people: medians of the rounds, and of the ratios of each pair of
 *  rounds. Pure. */
export function observeLines({ sets, agent }: ObserveFindings): readonly string[] {
  const share = (agent.cpuMs / (agent.seconds * 1_000)) * 100
  return [
    ...sets.flatMap(setLines),
    `agent with ${agent.machines} machines, at rest for ${agent.seconds} s: ${agent.residentMiB.toFixed(0)} MiB (goal under ${AGENT_GOAL_MIB}: ${agent.residentMiB < AGENT_GOAL_MIB ? 'met' : 'missed'}), ${share.toFixed(1)} % of a processor`,
  ]
}

function setLines(set: ObserveSet): readonly string[] {
  const { name, domains, looksARound, virsh, counters, observe, virshAll } = set
  const lookMs = median(observe, 'ms')
  return [
    `${name}: ${domains} domains, ${virsh.length} rounds of ${looksARound} looks each way by turns`,
    line('virsh domstats', virsh),
    line('our counters', counters),
    line('virsh domstats, domstate, dumpxml', virshAll),
    line('our full look', observe),
    ratioLine('counters to virsh domstats', ratioOf(counters, virsh)),
    ratioLine('a full look to virsh domstats', ratioOf(observe, virsh)),
    ratioLine('a full look to virsh reading as much', ratioOf(observe, virshAll)),
    `a full look: ${lookMs.toFixed(0)} ms (goal at most ${OBSERVE_GOAL_MS}: ${lookMs <= OBSERVE_GOAL_MS ? 'met' : 'missed'})`,
    '',
  ]
}

function ratioLine(what: string, ratio: number): string {
  const judged = ratio <= RATIO_GOAL ? 'met' : 'missed'
  return `ratio of ${what}: ${ratio.toFixed(2)} (goal at most ${RATIO_GOAL}: ${judged})`
}

function line(name: string, looks: readonly Look[]): string {
  return [
    `  ${name.padEnd(34)}`,
    `${median(looks, 'ms').toFixed(1)} ms`,
    `processor ${median(looks, 'cpuMs').toFixed(1)} ms`,
    `of libvirtd ${median(looks, 'daemonCpuMs').toFixed(1)} ms`,
  ].join('  ')
}

function median(looks: readonly Look[], of: keyof Look): number {
  return quantile(
    looks.map((one) => one[of]),
    0.5,
  )
}

function ratioOf(one: readonly Look[], other: readonly Look[]): number {
  const ratios = one.map(({ ms }, at) => ms / (other[at]?.ms ?? Number.NaN))
  return quantile(ratios, 0.5)
}
