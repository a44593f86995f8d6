import { isFetched } from '../resources/bare-metal/source.ts'
import type { Manifest } from '../resources/kinds.ts'

/** A file that a document names. */
export interface ManifestFile {
  /** Its place in the document: `spec.users[0].sshKeys[1]`. */
  readonly path: string
  /** As it is written there; relative to the manifest. */
  readonly file: string
}

/** Text files of a document that are sent beside it when it is applied, in the order of its text.
 *  Pure. */
export function filesOf(manifest: Manifest): readonly ManifestFile[] {
  const many = (files: readonly string[], path: string): ManifestFile[] =>
    files.map((file, index) => ({ path: `${path}[${index}]`, file }))
  switch (manifest.kind) {
    case 'Secret':
      return [{ path: 'spec.passwordFile', file: manifest.spec.passwordFile }]
    case 'Chassis': {
      const file = manifest.spec.bmc.certificateAuthority
      return file === undefined ? [] : [{ path: 'spec.bmc.certificateAuthority', file }]
    }
    case 'DeploymentTemplate': {
      const { users, scripts } = manifest.spec
      return [
        ...users.flatMap(({ passwordHashFile, sshKeys }, index): ManifestFile[] => {
          const path = `spec.users[${index}]`
          const hash = passwordHashFile === undefined ? [] : [passwordHashFile]
          return [
            ...hash.map((file) => ({ path: `${path}.passwordHashFile`, file })),
            ...many(sshKeys, `${path}.sshKeys`),
          ]
        }),
        ...many(scripts.before, 'spec.scripts.before'),
        ...many(scripts.after, 'spec.scripts.after'),
      ]
    }
    default:
      return []
  }
}

/** The file that is uploaded after a document was applied; undefined where there is none, or where
 *  the daemon fetches it by itself. Pure. */
export function uploadOf(manifest: Manifest): ManifestFile | undefined {
  const named =
    manifest.kind === 'InstallMedia'
      ? { path: 'spec.iso', file: manifest.spec.iso }
      : manifest.kind === 'Image'
        ? { path: 'spec.file', file: manifest.spec.file }
        : undefined
  return named === undefined || isFetched(named.file) ? undefined : named
}
