export type { AdviceOutcome, AdviceRow, SimulationOutcome, SimulationRow } from './addon.ts'
export {
  type CacheCallOptions,
  type CacheCalls,
  type CacheLayer,
  type CacheMode,
  callCache,
  type RecordedPart,
} from './control.ts'
export { type DeviceFacts, deviceFacts } from './flush-test/device-facts.ts'
export {
  checkByWitness,
  type FlushProof,
  type FlushRun,
  type FlushVerdict,
  keepProof,
  refuseUnproven,
  writeUnderWitness,
} from './flush-test/prove.ts'
export { startWitness } from './flush-test/witness.ts'
export { kneeOf } from './knee.ts'
export { type CacheServing, type ServedCache, serveCache, serveWords } from './serve.ts'
export {
  adviseTrace,
  type MadeTrace,
  madeTraceKinds,
  type SimulationOptions,
  simulateMadeTrace,
  simulateTrace,
  type TraceFormat,
  traceFormats,
} from './simulation.ts'
export {
  type DecodedSuperblock,
  decodeSuperblock,
  encodeSuperblock,
  type SuperblockFields,
} from './superblock.ts'
