import { createHash } from 'node:crypto'
import { failure, type Problem, type Result, success } from '@purlin/base'
import {
  fit,
  type ImageStep,
  type InstallInputs,
  type Layout,
  type NodeFile,
  planImage,
  renderAnswer,
} from '@purlin/deployment-template'
import type { DiscoveryReport } from '@purlin/schema'
import type { InstanceInputs, ReadyImage, ReadyMedium } from './ports.ts'

/** A deployment with all that it rests on. */
export interface DeploymentQuestion {
  readonly inputs: InstanceInputs
  readonly report: DiscoveryReport
  readonly bootMac: string
  readonly firmware: 'bios' | 'uefi'
  readonly source: ReadyMedium | ReadyImage
  readonly nodeUrl: string
  /** `http://SERVER:PORT`, where media and images are. */
  readonly serverUrl: string
}

/** What a node is given: files by their names, and the steps of the image path. */
export interface DeploymentPlan {
  readonly layout: Layout
  /** Of an installer. */
  readonly answer?: NodeFile
  readonly files: readonly NodeFile[]
  /** Of the image path. */
  readonly steps?: readonly ImageStep[]
}

/** Lays the template out on the newest report and renders everything that the node will be served.
 *  The same question has the same answer, so nothing rendered is kept. Pure. */
export function planDeployment(
  question: DeploymentQuestion,
): Result<DeploymentPlan, readonly Problem[]> {
  const { inputs, report, bootMac, firmware, source, nodeUrl, serverUrl } = question
  const { spec } = inputs
  if (report.firmware.mode !== firmware) {
    const message = `the chassis is enrolled as ${firmware} and started by ${report.firmware.mode}`
    return failure([{ path: 'chassis.firmware', message }])
  }
  const fitted = fit(spec, report)
  if (!fitted.ok) return fitted
  const layout = fitted.value
  const path = 'kernel' in source ? source.tree : source.path
  const install: InstallInputs = {
    hostname: inputs.hostname,
    bootMac,
    nodeUrl,
    mediaUrl: `${serverUrl}${path}`,
    users: inputs.users,
    scripts: inputs.scripts,
  }
  if ('kernel' in source) {
    const rendered = renderAnswer({ target: source.target, spec, layout, inputs: install })
    return rendered.ok ? success({ layout, ...rendered.value }) : rendered
  }
  const image = { ...source, url: `${serverUrl}${source.path}` }
  const planned = planImage(spec, layout, install, image)
  return planned.ok ? success({ layout, ...planned.value }) : planned
}

/** What was checked before the power went on, in 64 hexadecimal digits. */
export function digestOf(inputs: InstanceInputs): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/** Problems as one sentence of a cause. */
export function causeOf(problems: readonly Problem[]): string {
  return problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
}
