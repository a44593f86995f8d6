export type { ChassisCollection, PowerAction, PowerOptions } from './bare-metal/chassis.ts'
export * from './bare-metal/client.ts'
export type { BareMetalCollections } from './bare-metal/collections.ts'
export type { ConsoleOptions, ConsoleOutput } from './bare-metal/console.ts'
export type { ContentCollection, UploadOptions } from './bare-metal/contents.ts'
export type {
  BareMetalInstances,
  DeploymentTemplates,
  MetricsHistoryOptions,
} from './bare-metal/instances.ts'
export * from './bare-metal/manifest-files.ts'
export type { DeploymentNetworks } from './bare-metal/networks.ts'
export type { WaitForOptions } from './bare-metal/wait-for.ts'
export type { CacheLocks } from './cache-locks.ts'
export * from './client.ts'
export * from './connect/call.ts'
export * from './connect/problem.ts'
export * from './connect/target.ts'
export type { ApplyOptions, ClientOptions, DaemonClient, PlanOptions } from './daemon.ts'
export * from './enforcement.ts'
export * from './events/follow.ts'
export * from './manifest/check.ts'
export * from './manifest/locate.ts'
export * from './manifest/problems.ts'
export * from './manifest/read.ts'
export type { Network } from './network.ts'
export type { Pool } from './pool.ts'
export * from './resources/collection.ts'
export * from './resources/collections.ts'
export type {
  ConsoleCalls,
  ConsoleEnd,
  MachineConsole,
  SerialOptions,
} from './resources/consoles.ts'
export type { Guests } from './resources/guests.ts'
export type {
  GraceOptions,
  Machine,
  MachineCalls,
  MachineIn,
} from './resources/machine-handle.ts'
export type { MachineSnapshots, TakeOptions } from './resources/machine-snapshots.ts'
export * from './resources/security-groups.ts'
export type { Trash } from './resources/trash.ts'
export * from './resources/virtual-machines.ts'
export * from './resources/volumes.ts'
export * from './state.ts'
export * from './tasks/task-handle.ts'
export * from './tasks/tasks.ts'
export * from './tokens.ts'
