export type { SimulationOutcome, SimulationRow } from './addon.ts'
export {
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
