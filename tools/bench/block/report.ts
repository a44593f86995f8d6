import type { Finding } from './compare.ts'
import type { Extra } from './extras.ts'

/** Everything a run has found. */
export interface BlockFindings {
  readonly rounds: number
  readonly seconds: number
  readonly quick: boolean
  readonly findings: readonly Finding[]
  readonly extras: readonly Extra[]
}

/** The findings for people, as a table. Pure. */
export function reportLines({ findings, extras }: BlockFindings): readonly string[] {
  const loads = findings.flatMap((finding) => {
    const { own, other, goal } = finding
    const p99 = goal.p99RatioMax === undefined ? '' : `, p99 <= ${goal.p99RatioMax}`
    const cpu = goal.cpuRatioMax === undefined ? '' : `, CPU <= ${goal.cpuRatioMax}`
    return [
      `${finding.purlin} against ${finding.peer}: ${finding.title}`,
      `  IOPS    ${round(own.iops)} / ${round(other.iops)} = ${ratio(finding.iopsRatio)}`,
      `  p50, us ${round(own.p50Us)} / ${round(other.p50Us)}`,
      `  p99, us ${round(own.p99Us)} / ${round(other.p99Us)} = ${ratio(finding.p99Ratio)}`,
      `  server CPU a request, us ${own.serverCpuUs.toFixed(1)} / ` +
        `${other.serverCpuUs.toFixed(1)} = ${ratio(finding.cpuRatio)}`,
      `  goal: IOPS >= ${goal.iopsRatioMin}${p99}${cpu}: ${finding.met ? 'met' : 'MISSED'}`,
    ]
  })
  const others = extras.map(({ name, value, unit, goal, met }) => {
    const verdict = goal === undefined ? '' : `; goal ${goal}: ${met === true ? 'met' : 'MISSED'}`
    return `${name}: ${value} ${unit}${verdict}`
  })
  const goals = [...findings, ...extras].filter(({ met }) => met !== undefined)
  const met = goals.filter((found) => found.met === true).length
  return [...loads, ...others, `${met} of ${goals.length} goals met`]
}

function round(value: number): string {
  return String(Math.round(value))
}

function ratio(value: number): string {
  return value.toFixed(2)
}
