import type { PacketExplanation } from '@purlin/schema'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'

type End = PacketExplanation['ends'][number]

/** What the kernel did with the packet of one end, and its way where that is not as meant. Pure. */
export function liveEndText(live: End['live'], meant: End['verdict'], colours: boolean): string {
  if (live === undefined) return ''
  if (!live.traced) {
    return `  kernel: ${coloured('not traced', 'careful', colours)}: ${oneLine(live.reason)}\n`
  }
  const { verdict, decidedBy, agrees, trace } = live
  const { table, chain, rule } = decidedBy
  const by = rule === undefined ? 'the policy' : `rule "${rule}"`
  const who = table === '' ? 'no list was asked' : `by ${by} of chain ${chain}, table ${table}`
  const said = `kernel: ${verdict}, ${who}`
  if (agrees) return `  ${coloured('agrees', 'good', colours)}: ${oneLine(said)}\n`
  const way = trace.map((step) => {
    const by = step.rule === undefined ? 'end' : step.rule
    return `    ${oneLine(`${step.table} ${step.chain}: ${by}: ${step.verdict}`)}\n`
  })
  const not = `disagrees: ${oneLine(said)}; the policy says ${meant}`
  return `  ${coloured(not, 'bad', colours)}\n${way.join('')}`
}

/** What all ends together say. Pure. */
export function liveText(live: PacketExplanation['live'], colours: boolean): string {
  if (live === undefined) return ''
  const { outcome, untraced, crossing } = live
  const lines = untraced.map(({ end, reason }) => `  ${oneLine(`${end}: ${reason}`)}\n`)
  const way = crossingText(crossing, colours)
  const others = `${way}${lines.length === 0 ? '' : `not traced:\n${lines.join('')}`}`
  switch (outcome) {
    case 'agrees':
      return `\n${coloured('the kernel agrees', 'good', colours)}\n${others}`
    case 'disagrees':
      return `\n${coloured('the kernel disagrees', 'bad', colours)}\n${others}`
    case 'untraced':
      return `\n${coloured('the kernel was not heard', 'bad', colours)}\n${others}`
  }
}

/** A line for each namespace that the packet was sent through. */
function crossingText(
  crossing: NonNullable<PacketExplanation['live']>['crossing'],
  colours: boolean,
): string {
  if (crossing === undefined) return ''
  if (!crossing.traced) {
    return `way: ${coloured('not traced', 'careful', colours)}: ${oneLine(crossing.reason)}\n`
  }
  const { verdict, agrees, hops } = crossing
  const head = agrees
    ? coloured(`${verdict}, as told`, 'good', colours)
    : coloured(`${verdict}, not as told`, 'bad', colours)
  const lines = hops.map(({ by, name, outcome, rule, device, packet }) => {
    const end = {
      passed: `passed by ${device ?? 'a device'}${packet === undefined ? '' : ` as ${packet}`}`,
      dropped: `dropped by ${rule ?? 'a rule'}`,
      taken: 'taken in, it was for the namespace itself',
      lost: 'no way on',
      unseen: 'it did not come here',
    }[outcome]
    return `  ${oneLine(`${by} ${name}: ${end}`)}\n`
  })
  return `way: ${head}\n${lines.join('')}`
}
