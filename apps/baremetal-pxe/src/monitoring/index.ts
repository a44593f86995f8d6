export { reportingCondition, silenceAlert, silenceMs } from './condition.ts'
export type {
  InstanceReporting,
  MonitoredInstance,
  Monitoring,
  PushAnswer,
} from './monitoring.ts'
export { type MonitoringOptions, openMonitoring } from './open-monitoring.ts'
