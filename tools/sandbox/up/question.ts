import type { AddressFamily } from '@purlin/base'
import type { Endpoint } from './endpoint.ts'
import type { Service } from './service.ts'

/** One cell to be measured: may `from` reach `service` of `to`? */
export interface Question {
  readonly from: Endpoint
  readonly to: Endpoint
  readonly family: AddressFamily
  readonly service: Service
}

/** A question with what traffic said and what the policy says. */
export interface Cell extends Question {
  readonly passes: boolean
  readonly expected: boolean
}

/** Every ordered pair of ends in one port group, by both families where both ends have them; two
 *  clients are not asked about each other, since no rule is between them. Pure. */
export function questionsBetween(
  ends: readonly Endpoint[],
  services: readonly Service[],
): readonly Question[] {
  const pairs = ends.flatMap((from) =>
    ends
      .filter((to) => to !== from && to.portGroup === from.portGroup)
      .filter((to) => to.port !== undefined || from.port !== undefined)
      .map((to) => ({ from, to })),
  )
  return pairs.flatMap(({ from, to }) =>
    (['ipv4', 'ipv6'] as const)
      .filter((family) => from[family] !== undefined && to[family] !== undefined)
      .flatMap((family) => services.map((service) => ({ from, to, family, service }))),
  )
}

/** The questions of one asker as the probe reads them; the id is the position in the list. */
export function questionLines(questions: readonly Question[]): string {
  return questions
    .map(({ to, family, service }, index) => {
      return `${index} ${service.protocol} ${to[family]} ${service.port}\n`
    })
    .join('')
}

/** What the probe answered: one answer a question, and packets of all questions together. */
export interface ProbeAnswers {
  readonly passes: readonly boolean[]
  readonly sent: number
  readonly received: number
}

/** Reads the probe's answers to `count` questions; a question without an answer counts as a no.
 *  Pure. */
export function readAnswers(text: string, count: number): ProbeAnswers {
  const passes = Array.from({ length: count }, () => false)
  for (const [, index] of text.matchAll(/^(\d+) yes \d+$/gm)) passes[Number(index)] = true
  const totals = /^sent (\d+) received (\d+)$/m.exec(text)
  return {
    passes: passes.slice(0, count),
    sent: Number(totals?.[1] ?? 0),
    received: Number(totals?.[2] ?? 0),
  }
}
