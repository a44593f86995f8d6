import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { run } from '@purlin/base'
import { SUITE } from './contents.ts'

const INDEX_TIMEOUT_MS = 10 * 60_000
const SIGNER = 'pool@purlin.invalid'

/** Writes the indexes of `pool/` below `tree`, and signs them with a key made for it. Gives the
 *  public key. Errors: those of `run`. */
export async function indexPool(tree: string, keyFolder: string): Promise<Buffer> {
  const release = join(tree, 'dists', SUITE)
  const ordinary = join(release, 'main/binary-amd64')
  const components = join(release, 'main/debian-installer/binary-amd64')
  await writeIndex(ordinary, await run('apt-ftparchive', ['packages', 'pool/main'], at(tree)))
  await writeIndex(components, { stdout: await componentIndex(tree) })
  await symlink(SUITE, join(tree, 'dists/stable'))
  const fields = [
    ...['Origin=Debian', 'Label=Debian', 'Suite=stable', `Codename=${SUITE}`, 'Version=13.0'],
    ...['Architectures=amd64', 'Components=main'],
  ].flatMap((field) => ['-o', `APT::FTPArchive::Release::${field}`])
  const { stdout } = await run('apt-ftparchive', [...fields, 'release', release], at(tree))
  await writeFile(join(release, 'Release'), stdout)
  return await sign(release, keyFolder)
}

async function writeIndex(folder: string, { stdout }: { readonly stdout: string }): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'Packages'), stdout)
  await writeFile(join(folder, 'Packages.gz'), await promisify(gzip)(stdout))
  await run('xz', ['-kf', 'Packages'], at(folder))
  const fields = ['Archive: stable', 'Suite: stable', `Codename: ${SUITE}`, 'Component: main']
  const more = ['Origin: Debian', 'Label: Debian', 'Architecture: amd64', '']
  await writeFile(join(folder, 'Release'), [...fields, ...more].join('\n'))
}

/** apt-ftparchive passes over names that do not end in .deb. */
async function componentIndex(tree: string): Promise<string> {
  const stanzas: string[] = []
  for (const name of (await readdir(join(tree, 'pool/udeb'))).toSorted()) {
    const file = join(tree, 'pool/udeb', name)
    const content = await readFile(file)
    const hash = (algorithm: string): string => createHash(algorithm).update(content).digest('hex')
    const { stdout } = await run('dpkg-deb', ['-f', file], at(tree))
    const place = [`Filename: pool/udeb/${name}`, `Size: ${(await stat(file)).size}`]
    const sums = [`MD5sum: ${hash('md5')}`, `SHA256: ${hash('sha256')}`]
    stanzas.push([stdout.trimEnd(), ...place, ...sums, ''].join('\n'))
  }
  return `${stanzas.join('\n')}\n`
}

async function sign(release: string, keyFolder: string): Promise<Buffer> {
  await mkdir(keyFolder, { recursive: true, mode: 0o700 })
  const gpg = (...words: string[]) =>
    run('gpg', ['--homedir', keyFolder, '--batch', '--yes', '--quiet', ...words], at(release))
  await gpg('--passphrase', '', '--quick-generate-key', SIGNER, 'rsa3072', 'sign', '0')
  await gpg('-abs', '-o', 'Release.gpg', 'Release')
  await gpg('--clearsign', '-o', 'InRelease', 'Release')
  await gpg('--output', join(keyFolder, 'pool.gpg.half'), '--export', SIGNER)
  await rename(join(keyFolder, 'pool.gpg.half'), join(keyFolder, 'pool.gpg'))
  await run('gpgconf', ['--homedir', keyFolder, '--kill', 'all'], at(release))
  return await readFile(join(keyFolder, 'pool.gpg'))
}

function at(workingFolder: string): { readonly timeoutMs: number; readonly workingFolder: string } {
  return { timeoutMs: INDEX_TIMEOUT_MS, workingFolder }
}
