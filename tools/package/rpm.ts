import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { layOut } from './deb.ts'
import type { PackageContents } from './parts.ts'
import { rpmScripts } from './rpm-scripts.ts'

const BUILD_TIMEOUT_MS = 10 * 60_000
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** Makes the .rpm of a package out of the staging folder and gives its path. */
export async function makeRpm(
  contents: PackageContents,
  version: string,
  staging: string,
  output: string,
): Promise<string> {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch
  const root = join(staging, `rpm-${contents.name}`)
  await rm(root, { recursive: true, force: true })
  await layOut(contents, staging, join(root, 'files'))
  await mkdir(join(root, 'top'), { recursive: true })
  const spec = join(root, `${contents.name}.spec`)
  const stays = await readFile(join(import.meta.dirname, 'files/what-stays.sh'), 'utf8')
  await writeFile(spec, specFile(contents, version, stays))
  await run(
    'rpmbuild',
    [
      ...['-bb', '--quiet', '--target', architecture],
      ...define('_topdir', join(root, 'top')),
      ...define('_rpmdir', output),
      ...define('_build_name_fmt', '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'),
      ...define('files_folder', join(root, 'files')),
      spec,
    ],
    { timeoutMs: BUILD_TIMEOUT_MS },
  )
  return join(output, `${contents.name}-${version}-1.${architecture}.rpm`)
}

/** The spec file. What is packed is copied as it is: no stripping, no debug package, no guessing of
 *  requirements. Pure. */
export function specFile(contents: PackageContents, version: string, stays: string): string {
  const { name, summary, description, files, requires, recommends } = contents
  const tags = (tag: string, wanted: PackageContents['requires']): string[] =>
    wanted.flatMap(({ rpm }) => (rpm === undefined ? [] : [`${tag}: ${rpm}`]))
  return [
    '%global debug_package %{nil}',
    '%global __os_install_post %{nil}',
    '%global _build_id_links none',
    '%define _binary_payload w6T2.xzdio',
    `Name: ${name}`,
    `Version: ${version}`,
    'Release: 1',
    `Summary: ${summary}`,
    'License: Apache-2.0',
    'URL: https://purlin.invalid/',
    'AutoReqProv: no',
    ...tags('Requires', requires),
    ...tags('Recommends', recommends),
    ...(makesGroup(contents) ? ['Requires(pre): shadow-utils'] : []),
    '',
    '%description',
    description,
    '',
    '%install',
    'cp -a %{files_folder}/. %{buildroot}/',
    '',
    '%files',
    ...ownFolders(files).map((folder) => `%dir %attr(0755, root, root) ${folder}`),
    ...files.map(({ path, mode, configuration }) => {
      const kind = configuration === true ? '%config(noreplace) ' : ''
      return `${kind}%attr(0${mode.toString(8)}, root, root) ${path}`
    }),
    '',
    ...rpmScripts(contents.scripts, stays),
  ].join('\n')
}

/** The agent of installed systems has no group and needs no package. */
function makesGroup({ scripts }: PackageContents): boolean {
  return scripts !== undefined && scripts !== 'bm-agent'
}

/** Folders that no other package has, so that they go with the last file; a .deb's do by
 *  themselves. */
function ownFolders(files: PackageContents['files']): readonly string[] {
  const folders = files.flatMap(({ path }) => {
    const parts = path.split('/').slice(1, -1)
    return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
  })
  return [...new Set(folders)].filter((folder) => folder.includes('purlin'))
}

function define(name: string, value: string): readonly string[] {
  return ['--define', `${name} ${value}`]
}
