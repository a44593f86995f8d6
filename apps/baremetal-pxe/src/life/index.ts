export { Conductor, type EnrolledChassis, startConductor } from './conductor.ts'
export type { Deadlines } from './deadlines.ts'
export type { LifeRequest } from './event.ts'
export type { Life } from './life.ts'
export type {
  InstanceInputs,
  LifeGrounds,
  MediaDesk,
  ReadyImage,
  ReadyMedium,
} from './ports.ts'
export { lifeView } from './view.ts'
