import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { PurlinError, run } from '@purlin/base'
import { isDebianLike, missingPackages } from './debian-packages.ts'
import { asRoot, type Command, onPath } from './privilege.ts'

const APT_TIMEOUT_MS = 20 * 60_000
const QUERY_TIMEOUT_MS = 30_000
/** What apt says when its lists are absent or older than the archive. */
const STALE_LISTS = /Unable to locate package|has no installation candidate|Failed to fetch|404 /

/** Those of `packages` that are not installed. Without dpkg every package counts as missing. */
export async function findMissing(packages: readonly string[]): Promise<readonly string[]> {
  if (!(await onPath('dpkg-query'))) return packages
  const format = `\${binary:Package} \${db:Status-Status}\\n`
  const listing = await run('dpkg-query', ['-W', '-f', format, ...packages], {
    timeoutMs: QUERY_TIMEOUT_MS,
    acceptedExitCodes: [1],
  })
  return missingPackages(packages, listing.stdout)
}

/** Asks the person at the terminal; without a terminal, or with `yes`, the answer is yes. */
export async function agreeToInstall(missing: readonly string[], yes: boolean): Promise<boolean> {
  process.stderr.write(`Debian packages to install (${missing.length}): ${missing.join(' ')}\n`)
  process.stderr.write('Their services are neither started nor enabled.\n')
  if (yes || !process.stdin.isTTY) return true
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await prompt.question('Install them now? [y/N] ')).trim())
  } finally {
    prompt.close()
  }
}

/** Installs packages; apt's lists are fetched only when a package is not found in those that are
 *  there. Errors: PUR_HOST_UNFIT off Debian or without root, PUR_EXEC_FAILED with apt's last
 *  words. */
export async function installPackages(
  packages: readonly string[],
  tell: (detail: string) => void,
): Promise<void> {
  await assertDebian(packages)
  const script = join(import.meta.dirname, 'install-packages.sh')
  const install = await asRoot([
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'bash',
    script,
    ...packages,
  ])
  tell('apt-get install')
  try {
    await execute(install)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || !STALE_LISTS.test(thrown.message)) throw thrown
    tell('apt-get update')
    await execute(await asRoot(['apt-get', 'update', '--quiet=2']))
    tell('apt-get install')
    await execute(install)
  }
  tell(`${packages.length} installed`)
}

async function execute([program, ...args]: Command): Promise<void> {
  await run(program, args, { timeoutMs: APT_TIMEOUT_MS, environment: { LC_ALL: 'C.UTF-8' } })
}

async function assertDebian(packages: readonly string[]): Promise<void> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (isDebianLike(osRelease) && (await onPath('apt-get'))) return
  throw new PurlinError('PUR_HOST_UNFIT', {
    message: `set-up installs packages on Debian alone; install what carries these Debian packages here and call again: ${packages.join(' ')}`,
  })
}
