import type { BareMetalKind } from '@purlin/schema'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from '../resources/collection.ts'
import { type ChassisCollection, chassisOf } from './chassis.ts'
import { type ContentCollection, contentsOf } from './contents.ts'
import {
  type BareMetalInstances,
  bareMetalInstancesOf,
  type DeploymentTemplates,
  deploymentTemplatesOf,
} from './instances.ts'
import { type DeploymentNetworks, deploymentNetworksOf } from './networks.ts'

/** One collection for each kind of a deployment network, by its plural. */
export interface BareMetalCollections {
  readonly chassis: ChassisCollection
  readonly bareMetalInstances: BareMetalInstances
  readonly deploymentTemplates: DeploymentTemplates
  readonly installMedia: ContentCollection<'InstallMedia'>
  readonly images: ContentCollection<'Image'>
  readonly deploymentNetworks: DeploymentNetworks
  readonly managementNetworks: Collection<'ManagementNetwork'>
  readonly ipmiNetworks: Collection<'IpmiNetwork'>
  readonly secrets: Collection<'Secret'>
  /** Records, which the service networks of instances name. */
  readonly portGroups: Collection<'PortGroup'>
  readonly distributedSwitches: Collection<'DistributedSwitch'>
}

/** The collections behind `transport`. */
export function bareMetalCollectionsOf(transport: Transport): BareMetalCollections {
  return {
    chassis: chassisOf(transport),
    bareMetalInstances: bareMetalInstancesOf(transport),
    deploymentTemplates: deploymentTemplatesOf(transport),
    installMedia: contentsOf(transport, 'InstallMedia'),
    images: contentsOf(transport, 'Image'),
    deploymentNetworks: deploymentNetworksOf(transport),
    managementNetworks: collectionOf(transport, 'ManagementNetwork'),
    ipmiNetworks: collectionOf(transport, 'IpmiNetwork'),
    secrets: collectionOf(transport, 'Secret'),
    portGroups: collectionOf(transport, 'PortGroup'),
    distributedSwitches: collectionOf(transport, 'DistributedSwitch'),
  }
}

/** The collection of a kind known only at run time. */
export function bareMetalCollection<K extends BareMetalKind>(
  transport: Transport,
  kind: K,
): Collection<K> {
  return collectionOf(transport, kind)
}
