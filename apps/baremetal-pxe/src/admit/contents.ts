import type { Problem } from '@purlin/base'
import { checkInputs } from '@purlin/deployment-template'
import type { Manifest } from '@purlin/schema'
import { passwordOf, scriptsOf, usersOf } from '../secrets/file-contents.ts'
import type { FileTexts } from '../secrets/manifest-files.ts'

/** What is wrong with the texts of the files of these documents, each with the path of the file's
 *  name; no message repeats a text. Pure. */
export function contentProblems(
  manifests: readonly Manifest[],
  texts: ReadonlyMap<string, FileTexts>,
): readonly Problem[] {
  return manifests.flatMap((manifest, document): Problem[] => {
    const own = texts.get(`${manifest.kind}/${manifest.name}`) ?? new Map()
    return problemsOf(manifest, own).map((problem) => ({ document, ...problem }))
  })
}

function problemsOf(manifest: Manifest, texts: FileTexts): readonly Problem[] {
  if (manifest.kind === 'Secret') return secretProblems(manifest, texts)
  if (manifest.kind === 'Chassis') return authorityProblems(manifest, texts)
  if (manifest.kind !== 'DeploymentTemplate') return []
  const { spec } = manifest
  const problems = checkInputs(spec, {
    hostname: 'host',
    bootMac: '52:54:00:00:00:01',
    nodeUrl: 'http://host/node',
    mediaUrl: 'http://host/media',
    users: usersOf(spec, texts),
    scripts: scriptsOf(spec, texts),
  })
  return problems.map(({ path, message }) => ({ path: `spec.${path}`, message }))
}

function secretProblems(
  { spec }: Extract<Manifest, { kind: 'Secret' }>,
  texts: FileTexts,
): readonly Problem[] {
  const text = texts.get(spec.passwordFile)
  if (text === undefined) return []
  const path = 'spec.passwordFile'
  const password = passwordOf(text)
  if (password === '') return [{ path, message: `${spec.passwordFile} holds no password` }]
  if (!/[\p{Cc}]/u.test(password)) return []
  const message = `${spec.passwordFile} must hold one line: a password without control characters`
  return [{ path, message }]
}

function authorityProblems(
  { spec }: Extract<Manifest, { kind: 'Chassis' }>,
  texts: FileTexts,
): readonly Problem[] {
  const file = spec.bmc.certificateAuthority
  const text = file === undefined ? undefined : texts.get(file)
  if (text === undefined || text.includes('-----BEGIN CERTIFICATE-----')) return []
  const message = `${file} must hold certificates in PEM`
  return [{ path: 'spec.bmc.certificateAuthority', message }]
}
