import { PurlinError, run } from '@purlin/base'

/** The keys of Debian's archive, of the package debian-archive-keyring. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const QUERY_TIMEOUT_MS = 30_000

export interface DebianArchive {
  /** As in sources.list(5). */
  readonly uri: string
  readonly keyring: string
}

/** The Debian mirror that this machine's apt uses. Errors: PUR_HOST_UNFIT where it uses none. */
export async function debianArchive(): Promise<DebianArchive> {
  const format = '$(CODENAME) $(REPO_URI)'
  const words = ['indextargets', '--format', format, 'Created-By: Packages']
  const { stdout } = await run('apt-get', words, { timeoutMs: QUERY_TIMEOUT_MS })
  const uri = firstArchive(stdout)
  if (uri === undefined) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: 'apt of this machine knows no Debian mirror; add one to its sources',
    })
  }
  return { uri, keyring: KEYRING }
}

/** The address of the first target of a whole Debian release: `CODENAME URI` lines. Pure. */
export function firstArchive(targets: string): string | undefined {
  const lines = targets.split('\n').map((line) => line.trim().split(' '))
  return lines.find(([codename = '']) => /^(bookworm|trixie|forky|sid)$/.test(codename))?.[1]
}
