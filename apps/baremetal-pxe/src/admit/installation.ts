import type { Problem } from '@purlin/base'
import type { InstallerTarget, InstallInputs, UserInput } from '@purlin/deployment-template'
import type { DiscoveryReport, SpecOf } from '@purlin/schema'
import { installerArguments } from '../life/kernel-arguments.ts'
import { type DeploymentPlan, planDeployment } from '../life/plan-deployment.ts'
import type { ReadyImage, ReadyMedium } from '../life/ports.ts'
import { stageOf } from '../media/installer-files.ts'

/** Where the system of an installation comes from, whether or not it is here already. */
export type InstallationSource =
  | { readonly media: string; readonly target: InstallerTarget }
  | { readonly image: string; readonly spec: SpecOf<'Image'>; readonly sha256?: string }

/** An installation that is asked for, with all that it rests on. */
export interface InstallationQuestion {
  /** The template with the instance's service networks in it. */
  readonly spec: SpecOf<'DeploymentTemplate'>
  readonly users: readonly UserInput[]
  readonly scripts: InstallInputs['scripts']
  readonly hostname: string
  readonly bootMac: string
  readonly firmware: 'bios' | 'uefi'
  readonly source: InstallationSource
  /** The newest of the chassis. */
  readonly report: DiscoveryReport
}

/** What would be done, or why it cannot be: problems have paths in the template's spec, or in
 *  `inputs`. */
export interface Installation {
  readonly problems: readonly Problem[]
  readonly plan?: DeploymentPlan
  /** Of an installer's kernel; the consoles are added when it boots. */
  readonly kernelArguments?: readonly string[]
}

/** Stands for what is only known when the node boots. */
const SERVER = 'http://boot.server'
const UNKNOWN_SHA256 = '0'.repeat(64)

/** Lays a template out on what a chassis reported and renders what its node would be given, before
 *  the power goes on. Pure. */
export function examineInstallation(question: InstallationQuestion): Installation {
  const { spec, users, scripts, hostname, bootMac, firmware, report, source } = question
  const named = 'media' in source ? { media: source.media } : { image: source.image }
  const from = standInOf(source)
  const reach = { nodeUrl: `${SERVER}/node/TOKEN`, serverUrl: SERVER, bootMac }
  const planned = planDeployment({
    inputs: { spec, users, scripts, hostname, source: named },
    ...{ report, firmware, source: from, ...reach },
  })
  if (!planned.ok) return { problems: planned.error }
  const { answer } = planned.value
  if (answer === undefined || !('kernel' in from)) return { problems: [], plan: planned.value }
  const installer = { ...from, hostname, answer: answer.name }
  const kernelArguments = installerArguments(installer, { ...reach, consoles: [] })
  return { problems: [], plan: planned.value, kernelArguments }
}

function standInOf(source: InstallationSource): ReadyMedium | ReadyImage {
  if ('media' in source) {
    const tree = `/media/${source.media}`
    const { target } = source
    const stage = stageOf(target)
    return {
      ...{ name: source.media, target, tree, kernel: `${tree}/kernel`, initrds: [] },
      ...(stage !== undefined && { stage: `${tree}/${stage}` }),
    }
  }
  return {
    name: source.image,
    path: `/image/${source.image}`,
    sha256: source.sha256 || UNKNOWN_SHA256,
    packages: source.spec.packages,
    backend: source.spec.backend,
  }
}
