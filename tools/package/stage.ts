import { existsSync } from 'node:fs'
import { copyFile, glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { bmAgentPath, nodePath } from '../native/build.ts'
import { repository } from '../repository.ts'
import { bundle } from './bundle.ts'

const STRIP_TIMEOUT_MS = 120_000
const files = join(import.meta.dirname, 'files')

/** Addons that packages carry, by their library, and what they are called in the staging folder. */
const stagedAddons = {
  virt: 'virt.node',
  netfilter: 'netlink.node',
  'ec-native': 'ec.node',
  'block-native': 'block.node',
  'cache-native': 'cache.node',
}

/** Version of every package: that of the agent. */
export async function packageVersion(): Promise<string> {
  const text = await readFile(join(repository, 'apps/host-agent/package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Puts every source of the packages' files into `folder`: bundles, addon, stripped runtime, units.
 *  Errors: PUR_NATIVE_MISSING when a native part is not built, PUR_EXEC_NOT_FOUND without
 *  binutils. */
export async function stage(folder: string, version: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const put = (name: string): string => join(folder, name)
  await bundle('apps/host-agent/src/main.ts', put('host-agent.mjs'))
  await bundle('apps/baremetal-pxe/src/main.ts', put('baremetal-pxe.mjs'))
  await bundle('apps/cli/src/main.ts', put('purlin.mjs'))
  await bundle('libs/vswitch/src/services/speak.ts', put('speak.js'))
  for (const [library, name] of Object.entries(stagedAddons)) {
    await copyFile(await addonOf(library), put(name))
  }
  await run('strip', ['--strip-unneeded', '-o', put('node'), process.execPath], {
    timeoutMs: STRIP_TIMEOUT_MS,
  })
  await stripBlockDaemon(put('purlin-blockd'))
  await copyBuilt(bmAgentPath, put('purlin-bm-agent'))
  await copyBuilt(nodePath, put('purlin-node'))
  for (const name of [
    'baremetal-pxe.toml',
    'purlin-baremetal-pxe.service',
    'purlin-bm-agent.service',
    'purlin-blockd.path',
    'purlin-blockd.service',
    'purlin-host-agent.service',
    'purlin-map.service',
    'purlin-restore.service',
    'host-agent.toml',
    'purlin',
  ]) {
    await copyFile(join(files, name), put(name))
  }
  const manifest = { name: 'purlin', version, type: 'module' }
  await writeFile(put('package.json'), `${JSON.stringify(manifest)}\n`)
  await copyFile(await nodeLicence(), put('node-licence'))
  await writeFile(put('copyright'), COPYRIGHT)
}

/** A static program, which is stripped as it is built. */
async function copyBuilt(program: string, target: string): Promise<void> {
  if (!existsSync(program)) {
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `${program}: not built; run ./purlin setup`,
    })
  }
  await copyFile(program, target)
}

async function stripBlockDaemon(target: string): Promise<void> {
  const program = join(repository, 'target/release/purlin-blockd')
  if (!existsSync(program)) {
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `${program}: the block daemon is not built; run ./purlin setup`,
    })
  }
  const words = ['--strip-unneeded', '-o', target, program]
  await run('strip', words, { timeoutMs: STRIP_TIMEOUT_MS })
}

/** The text of a maintainer script, with the shared part that says what stays put in. */
export async function maintainerScript(name: string): Promise<string> {
  const [script, stays] = await Promise.all(
    [name, 'what-stays.sh'].map((each) => readFile(join(files, each), 'utf8')),
  )
  return (script ?? '').replace('@WHAT_STAYS@\n', stays ?? '')
}

async function addonOf(library: string): Promise<string> {
  const pattern = `libs/${library}/native/*.node`
  const [found] = await Array.fromAsync(glob(pattern, { cwd: repository }))
  if (found !== undefined) return join(repository, found)
  throw new PurlinError('PUR_NATIVE_MISSING', {
    message: `${pattern}: the addon is not built; run ./purlin setup`,
  })
}

/** The runtime's own licence; the npm package carries it beside its folder of programs. */
async function nodeLicence(): Promise<string> {
  const [found] = await Array.fromAsync(glob(join(process.execPath, '../../LICENSE')))
  if (found !== undefined) return found
  throw new PurlinError('PUR_HOST_UNFIT', {
    message: `${join(process.execPath, '../../LICENSE')}: not found; the package of the runtime must carry its licence`,
  })
}

const COPYRIGHT = `Purlin, licensed under the Apache License, Version 2.0; on Debian its text is in
/usr/share/common-licenses/Apache-2.0. Bundled libraries keep their own licences (MIT, BSD, ISC,
Apache-2.0), which stand at the end of each bundle. The libvirt addon contains the crates virt and
virt-sys (LGPL-2.1) and links libvirt (LGPL-2.1) dynamically.
`
