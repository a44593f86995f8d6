import type { Content, Layout } from '@purlin/deployment-template'
import type { InstallationPlan, SpecOf } from '@purlin/schema'
import type { Installation } from '../admit/installation.ts'

/** What a plan is told of beside the installation itself. */
export interface PlanSubject {
  readonly chassis: string
  readonly template: string
  readonly source: string
  readonly report?: number
  readonly target?: string
  readonly spec: SpecOf<'DeploymentTemplate'>
  /** Texts that no answer has: hashes, and what scripts hold. */
  readonly secrets: readonly string[]
}

const HIDDEN = '***'
/** Shorter texts are no secrets, and would blot out words of the answer. */
const LEAST_SECRET_CHARACTERS = 6

/** What an installation would do, for people: layout, network, answers without secrets. Pure. */
export function installationPlanOf(
  { chassis, template, source, report, target, spec, secrets }: PlanSubject,
  { problems, plan, kernelArguments }: Installation,
): InstallationPlan {
  const hide = (text: string): string =>
    secrets
      .filter((secret) => secret.length >= LEAST_SECRET_CHARACTERS)
      .reduce((told, secret) => told.replaceAll(secret, HIDDEN), text)
  const files = [...(plan?.answer === undefined ? [] : [plan.answer]), ...(plan?.files ?? [])]
  return {
    ...{ chassis, template, source },
    ...(report !== undefined && { report }),
    ...(target !== undefined && { target }),
    problems: problems.map(({ path, message }) => ({ path, message })),
    ...layoutOf(plan?.layout),
    network: networkOf(spec),
    ...(kernelArguments && { kernelArguments: kernelArguments.join(' ') }),
    files: files.map(({ name, content }) => ({ name, text: hide(content) })),
    steps: (plan?.steps ?? []).map((step) => hide(JSON.stringify(step))),
  }
}

function layoutOf(
  layout: Layout | undefined,
): Pick<InstallationPlan, 'disks' | 'arrays' | 'volumes'> {
  if (layout === undefined) return { disks: [], arrays: [], volumes: [] }
  return {
    disks: layout.disks.map(({ link, reported, table, boot, partitions }) => ({
      disk: link,
      ...(reported.model !== undefined && { model: reported.model }),
      sizeMiB: Math.floor(reported.sizeBytes / 1_048_576),
      ...{ table, boot },
      parts: partitions.map(({ number, sizeMiB, content }) => ({
        name: `partition ${number}`,
        ...{ sizeMiB, content: wordsOf(content) },
      })),
    })),
    arrays: layout.arrays.map(({ name, level, sizeMiB, content }) => ({
      name: `array ${name} of level ${level}`,
      ...{ sizeMiB, content: wordsOf(content) },
    })),
    volumes: layout.groups.flatMap((group) =>
      group.volumes.map(({ name, sizeMiB, content }) => ({
        name: `volume ${group.name}/${name}`,
        ...{ sizeMiB, content: wordsOf(content) },
      })),
    ),
  }
}

function wordsOf(content: Content): string {
  switch (content.kind) {
    case 'filesystem':
      return `${content.filesystem} on ${content.mount}`
    case 'esp':
      return 'EFI system partition on /boot/efi'
    case 'bios-boot':
      return 'boot loader of a BIOS'
    case 'swap':
      return 'swap'
    case 'lvm':
      return `part of group ${content.group}`
    case 'raid':
      return `member of array ${content.array}`
  }
}

function networkOf({ network }: SpecOf<'DeploymentTemplate'>): InstallationPlan['network'] {
  const of = (name: string) => {
    const own = network.addresses.filter((address) => address.interface === name)
    const gateway = own.find((address) => address.gateway !== undefined)?.gateway
    return {
      addresses: own.map(({ cidr }) => cidr ?? 'dhcp'),
      ...(gateway !== undefined && { gateway }),
    }
  }
  return [
    ...network.nics.map(({ name, mac }) => ({
      ...{ interface: name, kind: 'nic' as const, of: [mac] },
      ...of(name),
    })),
    ...network.bonds.map(({ name, members }) => ({
      ...{ interface: name, kind: 'bond' as const, of: members.map(({ mac }) => mac) },
      ...of(name),
    })),
    ...network.vlans.map((vlan) => {
      const name = vlan.name ?? `${vlan.parent}.${vlan.id}`
      return {
        ...{ interface: name, kind: 'vlan' as const, of: [vlan.parent], vlan: vlan.id },
        ...of(name),
      }
    }),
  ]
}
