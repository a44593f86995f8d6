export {
  type DeploymentNetworkOptions,
  makeDeploymentNetwork,
  removeDeploymentNetwork,
} from './deployment-network.ts'
export { emulationOf } from './emulation.ts'
export type { ChassisOptions, DiskOptions, Faults, NicOptions } from './options.ts'
export * from './rehearsal/daemon-process.ts'
export * from './rehearsal/hardware.ts'
export * from './rehearsal/rehearse.ts'
export { type ChassisEvent, SimulatedChassis } from './simulated-chassis.ts'
