/** Brings the Redfish emulator that tests speak to into the clone's own folder,
 *  once: `node tools/setup/redfish-emulator.ts`. A program of its own, never linked. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { repository } from '../repository.ts'

const PACKAGE = 'sushy-tools==2.2.0'
const PYTHON = '/usr/bin/python3'
const INSTALL_TIMEOUT_MS = 10 * 60_000

/** True when it had to be installed. Errors: PUR_EXEC_NOT_FOUND without Python, PUR_EXEC_FAILED
 *  with the last words of Python's installer. */
export async function setUpRedfishEmulator(folder: string): Promise<boolean> {
  const mark = join(folder, 'purlin-installed')
  if ((await readFile(mark, 'utf8').catch(() => '')) === PACKAGE) return false
  await rm(folder, { recursive: true, force: true })
  const options = { timeoutMs: INSTALL_TIMEOUT_MS }
  await run(PYTHON, ['-m', 'venv', folder], options)
  const words = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE]
  await run(join(folder, 'bin/python'), words, options)
  await writeFile(mark, PACKAGE)
  return true
}

if (import.meta.main) await setUpRedfishEmulator(join(repository, '.purlin/redfish-emulator'))
