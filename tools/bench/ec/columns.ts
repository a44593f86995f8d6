/** The peers by the names of their columns: who makes what Purlin is held against. */
export const COLUMNS = ['isal', 'debian-isal', 'klauspost', 'rusty', 'simd', 'ronomon'] as const

export type Column = (typeof COLUMNS)[number]

export function isColumn(word: string): word is Column {
  return (COLUMNS as readonly string[]).includes(word)
}

/** What stands above a column, and under the table. */
export const COLUMN_TITLES: Readonly<Record<Column, { head: string; what: string }>> = {
  isal: { head: 'ISA-L', what: 'ISA-L 2.31 with GFNI (crate isal-sys 0.5.3)' },
  'debian-isal': { head: 'Debian', what: 'ISA-L 2.30 as Debian 12 ships it' },
  klauspost: { head: 'klauspost', what: 'klauspost/reedsolomon 1.14.2, one goroutine' },
  rusty: { head: 'rusty', what: 'rusty_erasure 0.4.3' },
  simd: { head: 'rs-simd', what: 'reed-solomon-simd 3.1.0, a code of its own' },
  ronomon: { head: '@ronomon', what: '@ronomon/reed-solomon 6.0.0 in Node' },
}
