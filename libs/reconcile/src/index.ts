export * from './lane.ts'
export * from './reconciler.ts'
