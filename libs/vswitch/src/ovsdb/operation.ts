import { uuid, type WireAtom, type WireValue } from './value.ts'

export type TableName =
  | 'Open_vSwitch'
  | 'Bridge'
  | 'Port'
  | 'Interface'
  | 'QoS'
  | 'Queue'
  | 'Mirror'
  | 'sFlow'
  | 'IPFIX'
export type Row = Readonly<Record<string, WireValue>>
export type Condition = readonly [column: string, test: '==' | 'includes', value: WireValue]
export type Mutation = readonly [
  column: string,
  mutator: '+=' | 'insert' | 'delete',
  value: WireValue,
]

/** One operation of a transaction (RFC 7047 section 5.2); those that Purlin uses. */
export type Operation =
  | { readonly op: 'insert'; readonly table: TableName; row: Row; readonly 'uuid-name': string }
  | { readonly op: 'update'; readonly table: TableName; where: readonly Condition[]; row: Row }
  | {
      readonly op: 'mutate'
      readonly table: TableName
      readonly where: readonly Condition[]
      readonly mutations: readonly Mutation[]
    }
  | { readonly op: 'delete'; readonly table: TableName; readonly where: readonly Condition[] }
  | {
      readonly op: 'select'
      readonly table: TableName
      readonly where: readonly Condition[]
      readonly columns: readonly string[]
    }

/** Inserts a row that other operations of the transaction may refer to by `name`. Rows of Port and
 *  Interface that nothing refers to are collected by the database. */
export function insert(table: TableName, name: string, row: Row): Operation {
  return { op: 'insert', table, row, 'uuid-name': name }
}

/** Replaces columns of the row. */
export function update(table: TableName, id: string, row: Row): Operation {
  return { op: 'update', table, where: [['_uuid', '==', uuid(id)]], row }
}

/** Deletes the row; needed for those that the database keeps although nothing refers to them. */
export function remove(table: TableName, id: string): Operation {
  return { op: 'delete', table, where: [['_uuid', '==', uuid(id)]] }
}

/** Changes sets, maps and numbers of the row without writing what others put there. */
export function mutate(table: TableName, id: string, mutations: readonly Mutation[]): Operation {
  return { op: 'mutate', table, where: [['_uuid', '==', uuid(id)]], mutations }
}

/** Reads columns of the row inside the transaction. */
export function select(table: TableName, id: string, columns: readonly string[]): Operation {
  return { op: 'select', table, where: [['_uuid', '==', uuid(id)]], columns }
}

/** Mutations that set keys of a map of texts and leave its other keys alone. */
export function setKeys(
  column: string,
  entries: Readonly<Record<string, string>>,
): readonly Mutation[] {
  const keys: readonly WireAtom[] = Object.keys(entries)
  return [
    [column, 'delete', ['set', keys]],
    [column, 'insert', ['map', Object.entries(entries)]],
  ]
}

/** Reads columns of every row. */
export function selectAll(table: TableName, columns: readonly string[]): Operation {
  return { op: 'select', table, where: [], columns }
}
