import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { findToolchain } from '../native/toolchain.ts'
import { repository } from '../repository.ts'
import { type PackageSet, packagesOf } from './debian-packages.ts'
import { agreeToInstall, findMissing, installPackages } from './install-packages.ts'
import type { Progress } from './progress.ts'

export interface SetUpOptions {
  /** Do not ask before packages are installed. */
  readonly yes: boolean
  readonly sets: readonly PackageSet[]
  readonly progress: Progress
}

/** Set in the environment of a process whose caller has set the machine up just before, as another
 *  user. */
export const PREPARED = 'PURLIN_PREPARED'

/** Brings the machine to where a sandbox can start: packages, native parts, the probe guest's
 *  image; for tests, the discovery system, for long ones the emulator of a BMC, a root image and an
 *  installation medium. What is there already is left alone. Errors: PUR_CANCELLED when the person
 *  says no, PUR_HOST_UNFIT, PUR_NATIVE_MISSING without Rust, PUR_EXEC_FAILED. */
export async function setUp({ yes, sets, progress }: SetUpOptions): Promise<void> {
  if (process.env[PREPARED] !== undefined) return
  await setUpPackages({ yes, sets, progress })
  // The tool chain is asked for first: without it the sentence that says how to get it is all there
  // is to read.
  await findToolchain(repository)
  await progress.step('native parts', () => runTool('tools/native/build.ts', []))
  await progress.step('probe guest image', () =>
    runTool('tools/guest/build.ts', [probeImageFolder]),
  )
  if (sets.includes('bareMetal')) {
    await progress.step('discovery system', () => runTool('tools/bare-metal/discovery.ts', []))
  }
  if (sets.includes('bareMetalLong')) {
    await progress.step('root image', () => runTool('tools/bare-metal/image.ts', ['--once']))
    await progress.step('monitoring agent package', () =>
      runTool('tools/bare-metal/agent-package.ts', []),
    )
    await progress.step('installation medium', () =>
      runTool('tools/bare-metal/pool/pool.ts', ['--once']),
    )
  }
  if (sets.includes('python')) {
    await progress.step('Redfish emulator', () => runTool('tools/setup/redfish-emulator.ts', []))
  }
}

/** Installs what is missing of the packages of `sets`, and nothing else. Errors: PUR_CANCELLED when
 *  the person says no, PUR_HOST_UNFIT, PUR_EXEC_FAILED. */
export async function setUpPackages({ yes, sets, progress }: SetUpOptions): Promise<void> {
  const missing = await findMissing(packagesOf(sets))
  if (missing.length === 0) return
  if (!(await agreeToInstall(missing, yes))) {
    throw new PurlinError('PUR_CANCELLED', {
      message: `nothing was installed; Purlin needs these packages: ${missing.join(' ')}`,
    })
  }
  await progress.step('Debian packages', (tell) => installPackages(missing, tell))
}

/** Images of the clone; the agent of a sandbox reads them from here. */
export const imagesFolder = join(repository, '.purlin/images')
const probeImageFolder = join(imagesFolder, 'probe')

/** Runs one of the repository's own programs; what it says goes to standard error. */
async function runTool(script: string, args: readonly string[]): Promise<void> {
  await access(join(repository, script))
  const child = spawn(process.execPath, ['--conditions=purlin-source', script, ...args], {
    cwd: repository,
    stdio: ['ignore', 2, 2],
  })
  const [exitCode] = await once(child, 'exit')
  if (exitCode !== 0) {
    throw new PurlinError('PUR_EXEC_FAILED', {
      message: `${script} ended with ${exitCode}: what it said stands above`,
      context: { program: script, exitCode },
    })
  }
}
