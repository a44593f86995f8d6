import { OWNER_COUNTER, tableFamilies } from '../target/names.ts'
import type { TableObjects } from '../target/statement.ts'
import type { Change } from './change.ts'

/** The changes that load a whole rule set into a kernel that has nothing of ours. */
export function loadChanges({ chains, sets }: TableObjects): readonly Change[] {
  return [
    ...tableFamilies.flatMap((table): readonly Change[] => [
      { change: 'add-table', table },
      { change: 'add-counter', table, name: OWNER_COUNTER },
    ]),
    ...[...sets.values()].map((set): Change => ({ change: 'add-set', set })),
    ...[...chains.values()].map((chain): Change => ({ change: 'add-chain', chain })),
    ...[...chains.values()].flatMap(({ table, name, rules }) =>
      rules.map((rule): Change => ({ change: 'add-rule', table, chain: name, rule })),
    ),
    ...[...sets.values()].flatMap((set): readonly Change[] =>
      set.elements.size === 0
        ? []
        : [{ change: 'add-elements', set, elements: [...set.elements.values()] }],
    ),
  ]
}
