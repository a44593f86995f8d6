import type { Kind, Manifest } from '../resources/kinds.ts'
import type { RouterSpec } from '../resources/router.ts'

/** A name that a document gives of another resource, and where it stands. */
export interface Reference {
  readonly kind: Kind
  readonly name: string
  readonly path: string
}

/** Every reference of a document, in the order of its text. Pure and total over all kinds. */
export function referencesOf(manifest: Manifest): readonly Reference[] {
  switch (manifest.kind) {
    case 'PortGroup':
      return [
        { kind: 'DistributedSwitch', name: manifest.spec.switch, path: 'spec.switch' },
        ...(manifest.spec.securityGroups ?? []).map(
          (name, index): Reference => ({
            kind: 'SecurityGroup',
            name,
            path: `spec.securityGroups[${index}]`,
          }),
        ),
      ]
    case 'Router':
      return routerReferences(manifest.spec)
    case 'SecurityGroup':
      return [
        ...manifest.spec.inbound.flatMap((rule, index) =>
          groupsOf(rule.source?.groups, `spec.inbound[${index}].source`),
        ),
        ...manifest.spec.outbound.flatMap((rule, index) =>
          groupsOf(rule.destination?.groups, `spec.outbound[${index}].destination`),
        ),
      ]
    case 'VirtualMachine':
      return [
        ...manifest.spec.disks.map(
          ({ volume }, index): Reference => ({
            kind: 'Volume',
            name: volume,
            path: `spec.disks[${index}].volume`,
          }),
        ),
        ...manifest.spec.nics.flatMap((nic, index): Reference[] => [
          { kind: 'PortGroup', name: nic.portGroup, path: `spec.nics[${index}].portGroup` },
          ...nic.securityGroups.map(
            (name, position): Reference => ({
              kind: 'SecurityGroup',
              name,
              path: `spec.nics[${index}].securityGroups[${position}]`,
            }),
          ),
        ]),
      ]
    case 'Volume':
      return [
        { kind: 'StoragePool', name: manifest.spec.pool, path: 'spec.pool' },
        ...(manifest.spec.source
          ? [
              {
                kind: 'Snapshot' as const,
                name: manifest.spec.source.snapshot,
                path: 'spec.source.snapshot',
              },
            ]
          : []),
      ]
    case 'Snapshot':
      return [{ kind: 'Volume', name: manifest.spec.volume, path: 'spec.volume' }]
    case 'MachineSnapshot':
      return [
        { kind: 'VirtualMachine', name: manifest.spec.virtualMachine, path: 'spec.virtualMachine' },
        ...manifest.spec.disks.map(
          ({ volume }, index): Reference => ({
            kind: 'Volume',
            name: volume,
            path: `spec.disks[${index}].volume`,
          }),
        ),
      ]
    case 'Chassis':
      return [
        { kind: 'Secret', name: manifest.spec.bmc.secret, path: 'spec.bmc.secret' },
        { kind: 'DeploymentNetwork', name: manifest.spec.network, path: 'spec.network' },
        ...(manifest.spec.bmc.network === undefined
          ? []
          : [
              {
                kind: 'IpmiNetwork' as const,
                name: manifest.spec.bmc.network,
                path: 'spec.bmc.network',
              },
            ]),
      ]
    case 'BareMetalInstance':
      return [
        { kind: 'Chassis', name: manifest.spec.chassis, path: 'spec.chassis' },
        { kind: 'DeploymentTemplate', name: manifest.spec.template, path: 'spec.template' },
        'media' in manifest.spec.source
          ? { kind: 'InstallMedia', name: manifest.spec.source.media, path: 'spec.source.media' }
          : { kind: 'Image', name: manifest.spec.source.image, path: 'spec.source.image' },
        ...manifest.spec.service.map(
          ({ portGroup }, index): Reference => ({
            kind: 'PortGroup',
            name: portGroup,
            path: `spec.service[${index}].portGroup`,
          }),
        ),
      ]
    default:
      return []
  }
}

function routerReferences(spec: RouterSpec): Reference[] {
  const machineOf = (to: string, path: string): Reference => ({
    kind: 'VirtualMachine',
    name: to.slice(0, to.indexOf('.')),
    path,
  })
  return [
    ...spec.portGroups.map(
      (name, index): Reference => ({ kind: 'PortGroup', name, path: `spec.portGroups[${index}]` }),
    ),
    ...(spec.external === undefined
      ? []
      : [
          {
            kind: 'PortGroup' as const,
            name: spec.external.portGroup,
            path: 'spec.external.portGroup',
          },
        ]),
    ...spec.portForwards.map(({ to }, index) => machineOf(to, `spec.portForwards[${index}].to`)),
    ...spec.floatingAddresses.map(({ to }, index) =>
      machineOf(to, `spec.floatingAddresses[${index}].to`),
    ),
  ]
}

function groupsOf(groups: readonly string[] | undefined, parent: string): Reference[] {
  return (groups ?? []).map((name, index) => ({
    kind: 'SecurityGroup',
    name,
    path: `${parent}.groups[${index}]`,
  }))
}
