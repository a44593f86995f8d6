const MINUTE_MS = 60_000

/** How long each thing may take, in milliseconds, before it is tried again or has failed. */
export interface Deadlines {
  /** BMC commands of a state together, with their pauses. */
  readonly commandsMs: number
  /** Media fetched and checked, template laid out. */
  readonly preparingMs: number
  /** From power-on until the node asks what to boot. */
  readonly firstContactMs: number
  /** From that until the discovery system's report, or the begin of an erasure or a rescue. */
  readonly discoveryMs: number
  /** From the first report until the node is switched off: a second report may tell more. */
  readonly lingerMs: number
  /** From first contact until an installer tells that it has begun. */
  readonly installerMs: number
  /** A step of an installation. */
  readonly stepMs: number
  /** Partitioning by an installer, which tells nothing until the base system is there. */
  readonly installerWritingMs: number
  /** From the end of the installation until the installed system tells that it runs. */
  readonly firstBootMs: number
  /** Silence of an erasure, which tells each minute how far it is. */
  readonly quickEraseMs: number
  /** A whole erasure; a disk of 20 TB is overwritten in 28 hours. */
  readonly fullEraseMs: number
  /** First and longest pause after a command that failed. */
  readonly pauseMs: number
  readonly pauseMostMs: number
}

export const defaultDeadlines: Deadlines = {
  commandsMs: 20 * MINUTE_MS,
  preparingMs: 120 * MINUTE_MS,
  firstContactMs: 10 * MINUTE_MS,
  discoveryMs: 15 * MINUTE_MS,
  lingerMs: 45_000,
  installerMs: 30 * MINUTE_MS,
  stepMs: 30 * MINUTE_MS,
  installerWritingMs: 90 * MINUTE_MS,
  firstBootMs: 20 * MINUTE_MS,
  quickEraseMs: 30 * MINUTE_MS,
  fullEraseMs: 48 * 60 * MINUTE_MS,
  pauseMs: 15_000,
  pauseMostMs: 120_000,
}
