import { z } from 'zod'
import { resourceName } from '../../fields/names.ts'
import { manifestOf, resourceStatus } from '../envelope.ts'

const sha256 = z
  .string()
  .regex(/^([0-9a-f]{64})?$/, 'must be 64 hexadecimal digits, or empty')
  .default('')
const place = z.string().min(1).max(2_048)
const family = z.string().min(1).max(64)
const version = z.string().min(1).max(64)

/** Whether the text is an address that the daemon fetches by itself. */
export function isFetched(iso: string): boolean {
  return /^https?:\/\//.test(iso)
}

const RHEL_LIKE = ['rhel', 'rocky', 'almalinux', 'alma', 'centos', 'oracle']
const SUSE_LIKE = ['sles', 'suse', 'opensuse', 'leap']

/** Whose installer a family and version have, as `debian-13` or `ubuntu-24.04`; undefined for one
 *  that no template is rendered for. Pure. */
export function installerOf(familyName: string, versionText: string): string | undefined {
  const name = familyName.toLowerCase()
  const [major = '', minor] = versionText.split('.')
  if (RHEL_LIKE.includes(name)) return oneOf(`rhel-${major}`, ['rhel-9', 'rhel-10'])
  if (name === 'debian') return oneOf(`debian-${major}`, ['debian-12', 'debian-13'])
  if (SUSE_LIKE.includes(name)) return oneOf(`sles-${major}`, ['sles-15', 'sles-16'])
  if (name !== 'ubuntu' || (minor !== undefined && minor !== '04')) return undefined
  return oneOf(`ubuntu-${major}.04`, ['ubuntu-22.04', 'ubuntu-24.04'])
}

function oneOf(text: string, known: readonly string[]): string | undefined {
  return known.includes(text) ? text : undefined
}

/** Media of an installer. A path is of the person who applies it: the file is uploaded. */
export const installMediaSpec = z
  .strictObject({
    family: family.meta({ description: 'rhel, debian, ubuntu or sles, or one built like it.' }),
    version,
    iso: place.meta({
      description: 'A file relative to the manifest, or http(s)://; an ISO, or a tar of its tree.',
    }),
    sha256: sha256.meta({ description: 'Of the ISO; empty: it is told, not checked.' }),
  })
  .superRefine((spec, context) => {
    if (installerOf(spec.family, spec.version) !== undefined) return
    const known = 'rhel 9 and 10, debian 12 and 13, ubuntu 22.04 and 24.04, sles 15 and 16'
    const message = `no answers are written for ${spec.family} ${spec.version}; known: ${known}`
    context.addIssue({ code: 'custom', path: ['version'], message })
  })
  .meta({ id: 'InstallMediaSpec' })
export const installMedia = manifestOf('InstallMedia', installMediaSpec)

/** A root file system as an archive, which the discovery system writes. */
export const imageSpec = z
  .strictObject({
    family,
    version,
    file: place.meta({ description: 'A tar.zst relative to the manifest, or http(s)://.' }),
    sha256: sha256.meta({ description: 'Of the archive; empty: it is told, not checked.' }),
    packages: z
      .enum(['apt', 'dnf', 'zypper'])
      .default('apt')
      .meta({ description: 'What installs the template’s packages in it.' }),
    backend: z
      .enum(['networkd', 'network-manager'])
      .default('networkd')
      .meta({ description: 'What configures its network.' }),
  })
  .meta({ id: 'ImageSpec' })
export const image = manifestOf('Image', imageSpec)

/** What may be between nothing and usable. */
export const contentStates = [
  'absent',
  'fetching',
  'checking',
  'extracting',
  'ready',
  'failed',
] as const

/** How far the content of a medium or image is. */
export const contentStatus = z
  .strictObject({
    state: z.enum(contentStates),
    bytes: z.number().int().min(0).meta({ description: 'Of it here; where to go on from.' }),
    sizeBytes: z.number().int().min(0).optional(),
    sha256: z.string().optional().meta({ description: 'As computed here.' }),
    sinceMs: z.number().int(),
    cause: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: 'ContentStatus' })
export type ContentStatus = z.infer<typeof contentStatus>

export const installMediaStatus = resourceStatus
  .extend({
    content: contentStatus.optional(),
    tree: z
      .strictObject({
        family: z.string().meta({ description: 'As its files say.' }),
        target: z.string().optional().meta({ description: 'Which answers it is given.' }),
        kernel: z.string().meta({ description: 'Path in the tree.' }),
        initrd: z.string(),
        files: z.number().int(),
        sizeBytes: z.number().int(),
      })
      .optional(),
  })
  .meta({ id: 'InstallMediaStatus' })
export type InstallMediaStatus = z.infer<typeof installMediaStatus>

export const imageStatus = resourceStatus
  .extend({ content: contentStatus.optional() })
  .meta({ id: 'ImageStatus' })
export type ImageStatus = z.infer<typeof imageStatus>

/** Where the system of an instance comes from. */
export const instanceSource = z.union([
  z.strictObject({ media: resourceName }),
  z.strictObject({ image: resourceName }),
])
export type InstanceSource = z.infer<typeof instanceSource>
