export type { KvmVerdict, TakenName } from './doctor/check.ts'
export * from './doctor/examine.ts'
export * from './host-reader.ts'
