export { type Database, type OperationResult, openDatabase } from './database.ts'
export * from './operation.ts'
export type { BridgeRow, InterfaceRow, PortRow, Replica, RootRow } from './replica.ts'
export * from './value.ts'
