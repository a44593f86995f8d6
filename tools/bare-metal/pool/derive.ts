import { cp, glob, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import type { PrivateApt } from './apt.ts'
import type { Recipe } from './recipes.ts'
import type { Stanza } from './stanza.ts'

const PACK_TIMEOUT_MS = 5 * 60_000

export interface Derivation {
  readonly apt: PrivateApt
  /** Where unpacked packages are kept, and what is made is put together. */
  readonly workFolder: string
  /** Where the components go. */
  readonly out: string
  readonly kernelVersion: string
}

/** Makes the component that `stanza` describes out of ordinary packages. Its version ends with
 *  `+derived`, so that nobody takes it for the archive's. Errors: PUR_HOST_UNFIT where a package of
 *  its recipe is not there. */
export async function deriveComponent(
  stanza: Stanza,
  recipe: Recipe,
  derivation: Derivation,
): Promise<void> {
  const name = stanza.get('Package') ?? ''
  const tree = await mkdtemp(join(derivation.workFolder, 'component-'))
  try {
    for (const { package: from, paths } of recipe.parts) {
      const source = await unpacked(from, derivation)
      for await (const path of glob([...paths], { cwd: source })) {
        await mkdir(join(tree, dirname(path)), { recursive: true })
        await cp(join(source, path), join(tree, path), { recursive: true, verbatimSymlinks: true })
      }
    }
    await mkdir(join(tree, 'DEBIAN'))
    await writeFile(join(tree, 'DEBIAN/control'), controlOf(stanza, recipe, derivation))
    if (recipe.afterwards !== undefined) {
      await writeFile(join(tree, 'DEBIAN/postinst'), recipe.afterwards, { mode: 0o755 })
    }
    const file = join(derivation.out, `${name}_${plainVersion(stanza)}+derived_amd64.udeb`)
    const words = ['-Zxz', '-z1', '--root-owner-group', '-b', tree, file]
    await run('dpkg-deb', words, { timeoutMs: PACK_TIMEOUT_MS })
  } finally {
    await rm(tree, { recursive: true })
  }
}

function controlOf(stanza: Stanza, { depends }: Recipe, { kernelVersion }: Derivation): string {
  const name = stanza.get('Package') ?? ''
  const needs = depends ?? stanza.get('Depends')
  const provides = stanza.get('Provides')
  return [
    `Package: ${name}`,
    `Version: ${stanza.get('Version') ?? '1'}+derived`,
    'Section: debian-installer',
    'Architecture: amd64',
    `Priority: ${stanza.get('Priority') ?? 'optional'}`,
    'Maintainer: Purlin <pool@purlin.invalid>',
    ...(needs === undefined ? [] : [`Depends: ${needs}`]),
    ...(provides === undefined ? [] : [`Provides: ${provides}`]),
    ...(name.endsWith('-di') ? [`Kernel-Version: ${kernelVersion}`] : []),
    'Description: made of the ordinary package',
    '',
  ].join('\n')
}

/** Without the epoch, which no file name carries. */
function plainVersion(stanza: Stanza): string {
  return (stanza.get('Version') ?? '1').replace(/^\d+:/, '')
}

async function unpacked(name: string, { apt, workFolder }: Derivation): Promise<string> {
  const folder = join(workFolder, 'unpacked', name)
  const file = await apt.fileOf(name)
  if (file === undefined) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: `the mirror does not hold ${name}, of which a component of the installer would be made`,
    })
  }
  await mkdir(folder, { recursive: true })
  await run('dpkg-deb', ['-x', file, folder], { timeoutMs: PACK_TIMEOUT_MS })
  return folder
}
