import type { Problem } from '@purlin/base'
import type { SpecOf } from '@purlin/schema'
import type { InstallInputs } from '../inputs.ts'
import type { Layout } from '../layout.ts'
import type { NetworkBackend } from '../post-step.ts'

/** An operating system whose installer can be answered. SLES 16 is installed by Agama. */
export const installerTargets = [
  'rhel-9',
  'rhel-10',
  'debian-12',
  'debian-13',
  'ubuntu-22.04',
  'ubuntu-24.04',
  'sles-15',
  'sles-16',
] as const
export type InstallerTarget = (typeof installerTargets)[number]

/** All that a renderer reads; made and checked by `renderAnswer`. */
export interface AnswerRequest {
  readonly target: InstallerTarget
  readonly spec: SpecOf<'DeploymentTemplate'>
  readonly layout: Layout
  readonly inputs: InstallInputs
}

/** What a renderer gives: the answer file, and what this installer cannot do. */
export interface RenderedAnswer {
  readonly name: string
  readonly content: string
}

/** A renderer, and what of a template its installer cannot say, before anything is rendered. */
export interface Renderer {
  readonly backend: NetworkBackend
  readonly refusals: (request: AnswerRequest) => readonly Problem[]
  readonly render: (request: AnswerRequest) => RenderedAnswer
}

/** A disk's path that stays the same over restarts. */
export function diskPath(disk: { readonly link: string }): string {
  return `/dev/disk/by-id/${disk.link}`
}

/** Packages that the post step needs beside the template's own, each once. */
export function packagesOf(request: AnswerRequest, more: readonly string[]): readonly string[] {
  const { layout, spec, inputs } = request
  const sudo = inputs.users.some((user) => user.sudo) ? ['sudo'] : []
  const lvm = layout.groups.length > 0 ? ['lvm2'] : []
  const raid = layout.arrays.length > 0 ? ['mdadm'] : []
  return [...new Set([...more, ...sudo, ...lvm, ...raid, ...spec.packages])]
}
