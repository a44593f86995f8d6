import { chassisAtRest } from '@purlin/schema'
import { lifeTable } from '../../src/life/table.ts'

/** The table as the documentation shows it: a line a state, each with the words that lead out of
 *  it and those that keep it. */
export function tableText(): string {
  const lines = Object.entries(lifeTable.rows).map(([state, row]) => {
    const known = state as keyof typeof lifeTable.rows
    const words = Object.entries(row)
    const leading = words.filter(([, to]) => to !== state).map(([word, to]) => `${word} → ${to}`)
    const staying = words.filter(([, to]) => to === state).map(([word]) => word)
    const kind = chassisAtRest(known) ? 'rest' : 'deadline'
    return `| ${state} | ${kind} | ${leading.join(', ') || '–'} | ${staying.join(', ')} |`
  })
  return ['| state | ends by | leads to | stays with |', '|---|---|---|---|', ...lines].join('\n')
}
