export type {
  PortDesired,
  PortGroupDesired,
  ReservationDesired,
  SubnetDesired,
  SwitchDesired,
  VswitchDesired,
} from './desired.ts'
export { createVswitchDriver, type VswitchDriver, type VswitchDriverOptions } from './driver.ts'
export { pluggedFacts } from './facts.ts'
export { PORT_GROUP_MARK, PORT_MARK, SWITCH_MARK, UPLINK_MARK } from './mark.ts'
export type { BridgeObserved, SwitchPortObserved, VswitchObserved } from './observed.ts'
export * as ovsdb from './ovsdb/index.ts'
export { type PlanSettings, planVswitch } from './plan/plan.ts'
export type { VswitchStep } from './plan/step.ts'
export type { ServiceObserved } from './services/observe.ts'
export { type Launch, launch, type ProcessIdentity } from './services/process.ts'
export {
  type ServiceDesired,
  type ServiceSettings,
  serviceOf,
} from './services/service.ts'
