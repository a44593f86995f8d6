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
  const { outcome, untraced } = live
  const lines = untraced.map(({ end, reason }) => `  ${oneLine(`${end}: ${reason}`)}\n`)
  const others = lines.length === 0 ? '' : `not traced:\n${lines.join('')}`
  switch (outcome) {
    case 'agrees':
      return `\n${coloured('the kernel agrees', 'good', colours)}\n${others}`
    case 'disagrees':
      return `\n${coloured('the kernel disagrees', 'bad', colours)}\n${others}`
    case 'untraced':
      return `\n${coloured('the kernel was not heard', 'bad', colours)}\n${others}`
  }
}
