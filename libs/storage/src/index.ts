export { type ControlClient, createControlClient } from './control/client.ts'
export {
  CONTROL_SOCKET,
  type DaemonStatus,
  VHOST_SOCKET,
  type VolumeLimits,
} from './control/messages.ts'
export {
  NO_STORAGE,
  type PoolDesired,
  type SnapshotDesired,
  type StorageDesired,
  type VolumeDesired,
} from './desired.ts'
export { createStorageDriver, type StorageDriver, type StorageDriverOptions } from './driver.ts'
export {
  type PoolHealth,
  type ScrubRecord,
  type StorageHealth,
  storageHealth,
  type VolumeHealth,
} from './health.ts'
export { blockDaemonProgram } from './mapping/block-daemon.ts'
export { mappedVolumes } from './mapping/mapped-volumes.ts'
export type { StorageObserved } from './observed.ts'
export { planStorage } from './plan/plan.ts'
export type { StorageStep } from './plan/step.ts'
