export type { Announcement } from './announce/announce.ts'
export type {
  IsolationDesired,
  MirrorDesired,
  OverlayDesired,
  PortDesired,
  PortGroupDesired,
  ReservationDesired,
  Station,
  SubnetDesired,
  SwitchDesired,
  VswitchDesired,
} from './desired.ts'
export { createVswitchDriver, type VswitchDriver, type VswitchDriverOptions } from './driver.ts'
export { pluggedFacts } from './facts.ts'
export type { FieldMatch, Flow, FlowAction } from './flows/flow.ts'
export { type SwitchHealth, switchHealth, type UplinkHealth } from './health.ts'
export { PORT_GROUP_MARK, PORT_MARK, SWITCH_MARK, UPLINK_MARK } from './mark.ts'
export { announcementOf } from './move/announcement.ts'
export { type MoveSight, movedOn, nextMoveEvent } from './move/next.ts'
export { type PortMoveEvent, portMoves } from './move/phase.ts'
export { outsideOf, partBridge } from './names.ts'
export type { BridgeObserved, SwitchPortObserved, VswitchObserved } from './observed.ts'
export * as ovsdb from './ovsdb/index.ts'
export { type PlanSettings, planVswitch } from './plan/plan.ts'
export type { VswitchStep } from './plan/step.ts'
export {
  deadReason,
  type PathState,
  type ProbeHeard,
  type ProbeParty,
  type ProbePath,
  probeMatrix,
} from './probe/matrix.ts'
export { type OpenProbe, openProbe, type ProbeOptions } from './probe/open-probe.ts'
export type { CrossedHop, Crossing } from './router/cross/cross.ts'
export type { RouterDesired } from './router/desired.ts'
export {
  portGroupsServed,
  type RoutedNic,
  type RouterGrounds,
  routersDesired,
} from './router/resolve.ts'
export type { ServiceObserved } from './services/observe.ts'
export { type Launch, launch, type ProcessIdentity } from './services/process.ts'
export {
  type ServiceDesired,
  type ServiceSettings,
  serviceOf,
} from './services/service.ts'
export type { PortCounters } from './traffic/counters.ts'
export {
  recordTraffic,
  type TrafficRecorder,
  type TrafficRecorderOptions,
} from './traffic/recorder.ts'
export { trialsOf } from './uplinks/plan-trials.ts'
export type { UplinkRecord, UplinkState } from './uplinks/trial.ts'
export type { Reachable } from './uplinks/watch-trials.ts'
