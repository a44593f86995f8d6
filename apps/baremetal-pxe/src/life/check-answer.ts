import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, type Run } from '@purlin/base'
import type { InstallerTarget } from '@purlin/deployment-template'

const TIMEOUT_MS = 60_000
const WORDS_MAX_CHARACTERS = 600

type Validator = (run: Run, answer: string, signal: AbortSignal) => Promise<string>

/** Gives an answer file to its family's own validator, before the power goes on. The answer goes to
 *  its standard input, so that no file holds its secrets. Answers what the validator finds wrong;
 *  nothing where it finds nothing, or is not installed on this host. */
export async function checkAnswer(
  run: Run,
  target: InstallerTarget,
  answer: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const words = await VALIDATORS[target](run, answer, signal)
    return words.trim().slice(0, WORDS_MAX_CHARACTERS)
  } catch (thrown) {
    if (thrown instanceof PurlinError && thrown.code === 'PUR_EXEC_NOT_FOUND') return ''
    throw thrown
  }
}

/** pykickstart's reader, which is the installer's own. */
const kickstart =
  (version: string): Validator =>
  async (run, input, signal) => {
    const args = ['-v', version, '/dev/stdin']
    const { exitCode, stdout, stderr } = await ended(run, 'ksvalidator', args, input, signal)
    return exitCode === 0 ? '' : `ksvalidator: ${stdout} ${stderr}`
  }

/** debconf ends with 0 for a wrong type too, and only warns. The host's own answers are left alone:
 *  they may be locked, and are none of ours. */
const preseed: Validator = async (run, input, signal) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-debconf-'))
  try {
    const driver = (name: string): string =>
      `Name: ${name}\nDriver: File\nFilename: ${join(folder, name)}\n`
    const parts = ['Config: configdb\nTemplates: templatedb\n', driver('configdb')]
    const settings = join(folder, 'debconf.conf')
    await writeFile(settings, [...parts, driver('templatedb')].join('\n'))
    const { stderr } = await run('debconf-set-selections', ['-c'], {
      input,
      signal,
      timeoutMs: TIMEOUT_MS,
      environment: { DEBCONF_SYSTEMRC: settings, LC_ALL: 'C' },
    })
    const warnings = stderr.split('\n').filter((line) => /^(warning|error): /.test(line))
    return warnings.length === 0 ? '' : `debconf: ${warnings.join('; ')}`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const autoyast: Validator = async (run, input, signal) => {
  const args = ['--noout', '--nonet', '-']
  const { exitCode, stderr } = await ended(run, 'xmllint', args, input, signal)
  return exitCode === 0 ? '' : `xmllint: ${stderr}`
}

/** autoinstall and Agama read JSON; autoinstall below a line that names what it is. */
const json: Validator = async (_run, input) => {
  try {
    JSON.parse(input.replace(/^#cloud-config\n/, ''))
    return ''
  } catch (thrown) {
    return `not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`
  }
}

const VALIDATORS: Readonly<Record<InstallerTarget, Validator>> = {
  'rhel-9': kickstart('RHEL9'),
  'rhel-10': kickstart('RHEL10'),
  'debian-12': preseed,
  'debian-13': preseed,
  'ubuntu-22.04': json,
  'ubuntu-24.04': json,
  'sles-15': autoyast,
  'sles-16': json,
}

async function ended(
  run: Run,
  program: string,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  const acceptedExitCodes = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  return await run(program, args, { input, signal, timeoutMs: TIMEOUT_MS, acceptedExitCodes })
}
