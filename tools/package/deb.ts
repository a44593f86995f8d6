import { chmod, copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '@purlin/base'
import type { PackageContents } from './parts.ts'
import { maintainerScript } from './stage.ts'

const BUILD_TIMEOUT_MS = 10 * 60_000
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Makes the .deb of a package out of the staging folder and gives its path. */
export async function makeDeb(
  contents: PackageContents,
  version: string,
  staging: string,
  output: string,
): Promise<string> {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch
  const root = join(staging, `deb-${contents.name}`)
  await rm(root, { recursive: true, force: true })
  const sizeBytes = await layOut(contents, staging, root)
  const control = join(root, 'DEBIAN')
  await mkdir(control)
  const text = controlFile(contents, version, architecture, Math.ceil(sizeBytes / 1024))
  await writeFile(join(control, 'control'), text)
  const configuration = contents.files.filter((file) => file.configuration === true)
  if (configuration.length > 0) {
    const list = configuration.map(({ path }) => `${path}\n`).join('')
    await writeFile(join(control, 'conffiles'), list)
  }
  for (const script of scriptsOf(contents)) {
    const target = join(control, script)
    await writeFile(target, await maintainerScript(`${contents.scripts}.${script}.sh`))
    await chmod(target, 0o755)
  }
  const file = join(output, `${contents.name}_${version}_${architecture}.deb`)
  const build = ['--root-owner-group', '-Zxz', '--build', root, file]
  await run('dpkg-deb', build, { timeoutMs: BUILD_TIMEOUT_MS })
  return file
}

/** The block daemon goes on while its package leaves, since guests lie on its volumes. */
function scriptsOf({ scripts }: PackageContents): readonly string[] {
  if (scripts === undefined) return []
  return scripts === 'blockd' ? ['postinst', 'postrm'] : ['postinst', 'prerm', 'postrm']
}

/** The control file (deb-control(5)). Pure. Shape: `sizeKiB` is what the files take when
 *  unpacked. */
export function controlFile(
  { name, summary, description, requires, recommends }: PackageContents,
  version: string,
  architecture: string,
  sizeKiB: number,
): string {
  const list = (field: string, wanted: PackageContents['requires']): string[] =>
    wanted.length === 0 ? [] : [`${field}: ${wanted.map(({ deb }) => deb).join(', ')}`]
  return [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Section: admin',
    'Priority: optional',
    'Maintainer: Purlin developers <developers@purlin.invalid>',
    `Installed-Size: ${sizeKiB}`,
    ...list('Depends', requires),
    ...list('Recommends', recommends),
    `Description: ${summary}`,
    ` ${description}`,
    '',
  ].join('\n')
}

/** Puts a package's files where they will lie below `root`; gives their bytes. */
export async function layOut(
  { files }: PackageContents,
  staging: string,
  root: string,
): Promise<number> {
  let sizeBytes = 0
  for (const { source, path, mode } of files) {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await copyFile(join(staging, source), target)
    await chmod(target, mode)
    sizeBytes += (await stat(target)).size
  }
  return sizeBytes
}
