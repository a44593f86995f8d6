import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { debianArchive } from '../archive.ts'
import { readStanzas, type Stanza } from './stanza.ts'

const DOWNLOAD_TIMEOUT_MS = 30 * 60_000
const QUERY_TIMEOUT_MS = 120_000

/** An apt of its own: another suite than this machine's, nothing installed, its own cache. */
export class PrivateApt {
  readonly archives: string
  readonly #environment: Readonly<Record<string, string>>

  private constructor(folder: string) {
    this.archives = join(folder, 'cache/archives')
    this.#environment = { APT_CONFIG: join(folder, 'apt.conf'), LC_ALL: 'C' }
  }

  /** Sets it up in `folder` and fetches the lists. Errors: those of `run`, PUR_HOST_UNFIT. */
  static async open(folder: string, suite: string): Promise<PrivateApt> {
    const { uri, keyring } = await debianArchive()
    for (const each of ['lists/partial', 'cache/archives/partial', 'state', 'etc/none']) {
      await mkdir(join(folder, each), { recursive: true })
    }
    const components = 'main main/debian-installer'
    const source = `deb [arch=amd64 signed-by=${keyring}] ${uri} ${suite} ${components}\n`
    await writeFile(join(folder, 'etc/sources.list'), source)
    await writeFile(join(folder, 'state/status'), '')
    await writeFile(join(folder, 'apt.conf'), settings(folder))
    const apt = new PrivateApt(folder)
    await apt.#run('apt-get', ['-qq', 'update'], DOWNLOAD_TIMEOUT_MS)
    return apt
  }

  /** Downloads packages with all that they depend on. */
  async fetch(names: readonly string[]): Promise<void> {
    const words = ['-y', '-qq', '--no-remove', '--download-only', 'install', ...names]
    await this.#run('apt-get', words, DOWNLOAD_TIMEOUT_MS)
  }

  /** Downloads single packages into `folder`; those that the mirror does not hold are left out. */
  async fetchSome(names: readonly string[], folder: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    await run('apt-get', ['-qq', 'download', ...names], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      environment: this.#environment,
      workingFolder: folder,
      acceptedExitCodes: [100],
    })
  }

  /** Every ordinary package that can be had. */
  async available(): Promise<readonly Stanza[]> {
    return readStanzas(await this.#run('apt-cache', ['dumpavail'], QUERY_TIMEOUT_MS))
  }

  /** Every component of the installer that the lists name. */
  async installerComponents(): Promise<readonly Stanza[]> {
    const only = 'Component: main/debian-installer'
    const words = ['indextargets', '--format', '$(FILENAME)', 'Created-By: Packages', only]
    const [file = ''] = (await this.#run('apt-get', words, QUERY_TIMEOUT_MS)).split('\n')
    const helper = '/usr/lib/apt/apt-helper'
    return readStanzas(await this.#run(helper, ['cat-file', file], QUERY_TIMEOUT_MS))
  }

  /** The downloaded file of a package; undefined where there is none. */
  async fileOf(name: string): Promise<string | undefined> {
    const files = await readdir(this.archives)
    const found = files.filter((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'))
    const last = found.toSorted().at(-1)
    return last === undefined ? undefined : join(this.archives, last)
  }

  async #run(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
    return (await run(program, args, { timeoutMs, environment: this.#environment })).stdout
  }
}

function settings(folder: string): string {
  return `Dir::State "${folder}/state"; Dir::State::lists "${folder}/lists";
Dir::State::status "${folder}/state/status"; Dir::Cache "${folder}/cache";
Dir::Etc::sourcelist "${folder}/etc/sources.list"; Dir::Etc::sourceparts "${folder}/etc/none";
Dir::Etc::preferencesparts "${folder}/etc/none"; Dir::Etc::parts "${folder}/etc/none";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; APT::Architecture "amd64";
APT::Keep-Downloaded-Packages "true"; Binary::apt-get::APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none"; Debug::NoLocking "true";
`
}
