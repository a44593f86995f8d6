import { chmod, glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { compareVersions } from '../../native/toolchain.ts'
import { cacheFolder } from '../../repository.ts'

const VERSION_TIMEOUT_MS = 60_000
const FETCH_TIMEOUT_MS = 10 * 60_000
/** Where Go's own installation puts it, which is on few PATHs. */
const PROGRAMS = ['go', '/usr/local/go/bin/go'] as const
/** The release that is taken where Go here is older than the peer wants. Debian 12 has 1.19. */
const RELEASE = '1.24.9'
const GO_PROCESSORS: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** A Go that is new enough for the module in `folder`: one of this machine, or else the release
 *  that an older one fetches as a module into the clone's cache, checked against Go's checksum
 *  database. From Go 1.21 on the go command does so by itself (https://go.dev/doc/toolchain).
 *  Errors: PUR_NATIVE_MISSING without any Go, PUR_EXEC_FAILED. */
export async function findGo(folder: string): Promise<string> {
  const wanted = /^go ([\d.]+)$/m.exec(await readFile(join(folder, 'go.mod'), 'utf8'))?.[1] ?? ''
  let older: string | undefined
  for (const program of PROGRAMS) {
    const version = await versionOf(program, folder)
    if (version === undefined) continue
    if (compareVersions(version, wanted) >= 0) return program
    older ??= program
  }
  if (older !== undefined) return await fetchRelease(older)
  throw new PurlinError('PUR_NATIVE_MISSING', {
    message: 'there is no Go on this machine; install it by `apt-get install golang-go`',
    context: { program: 'go' },
  })
}

/** The version of a go command, such as `1.24.9`; undefined where there is no such program. */
async function versionOf(program: string, workingFolder: string): Promise<string | undefined> {
  try {
    const options = { timeoutMs: VERSION_TIMEOUT_MS, workingFolder }
    const { stdout } = await run(program, ['version'], options)
    return /^go version go([\d.]+)/.exec(stdout)?.[1]
  } catch (thrown) {
    if (thrown instanceof PurlinError && thrown.code === 'PUR_EXEC_NOT_FOUND') return undefined
    throw thrown
  }
}

async function fetchRelease(program: string): Promise<string> {
  const release = `v0.0.1-go${RELEASE}.linux-${GO_PROCESSORS[process.arch] ?? process.arch}`
  const words = ['mod', 'download', '-json', `golang.org/toolchain@${release}`]
  const { stdout } = await run(program, words, {
    timeoutMs: FETCH_TIMEOUT_MS,
    workingFolder: '/',
    environment: { GOMODCACHE: join(cacheFolder, 'go'), GOFLAGS: '-modcacherw' },
  })
  const { Dir: folder } = JSON.parse(stdout) as { readonly Dir: string }
  // A module's files are not executable; those of a release have to be.
  for await (const file of glob(['bin/*', 'pkg/tool/*/*'], { cwd: folder })) {
    await chmod(join(folder, file), 0o755)
  }
  return join(folder, 'bin/go')
}
