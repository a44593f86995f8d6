export * from './accelerator.ts'
export { adoptDomain, notAdoptable } from './adopt/adopt-domain.ts'
export { type ForeignMachine, type ForeignNic, readForeign } from './adopt/foreign-machine.ts'
export type { GuestInterface } from './agent/answers.ts'
export * from './agent/guest-agent.ts'
export { GUEST_FILE_BYTES_MAX, type GuestFile } from './agent/guest-files.ts'
export {
  type ConsoleKind,
  createMachineConsoles,
  type MachineConsoles,
} from './console/machine-consoles.ts'
export { differences } from './domain/difference.ts'
export type { DiskLimits, DiskRate, RateLimit } from './domain/disk-limits.ts'
export * from './domain/domain-spec.ts'
export * from './domain/mark.ts'
export * from './domain/read.ts'
export type { DiskReading, MemoryDeviceReading, NicReading } from './domain/read-devices.ts'
export { domainXml } from './domain/xml.ts'
export { createMachineControl, type MachineControl, type OwnMachine } from './driver/control.ts'
export * from './driver/driver.ts'
export { readFacts, readMachine, readObserved } from './driver/observe.ts'
export { DEFAULT_PLAN_OPTIONS, type PlanOptions, planVirt } from './driver/plan.ts'
export * from './driver/status.ts'
export * from './driver/types.ts'
export { type AwaitPowerOptions, awaitPower } from './machine/await-power.ts'
export {
  isActive,
  type PowerEvent,
  type PowerState,
  powerEventOf,
  powerStateAfter,
  powerStateOf,
  powerStates,
  readPowerState,
} from './machine/power-state.ts'
export {
  type RebootEvent,
  type RebootOptions,
  type RebootState,
  rebootMachine,
  rebootStates,
} from './machine/reboot.ts'
export { type Rest, restOf } from './machine/rest.ts'
export { type EndedRun, kernelBootId, type RestartPolicy, type RunEnd } from './machine/runs.ts'
export { isAsWanted, WANTED_POWERS, type WantedPower } from './machine/wanted-power.ts'
export { type Addon, addonPath, type HostResources, loadAddon } from './port/addon.ts'
export * from './port/event.ts'
export { codeOfFailure, errorOfFailure } from './port/failure.ts'
export * from './port/libvirt-port.ts'
export { createNativeLibvirt, type NativeLibvirtOptions } from './port/native.ts'
export { MachineHolds } from './snapshot/holds.ts'
export {
  createStillness,
  type MachineStillness,
  type Stillness,
  type StillnessGrounds,
} from './snapshot/stillness.ts'
export { hostDevicesOf } from './use/host-devices.ts'
export {
  type MachineCounters,
  type MachineDiskCounters,
  type MachineNicCounters,
  readMachineCounters,
} from './use/machine-counters.ts'
