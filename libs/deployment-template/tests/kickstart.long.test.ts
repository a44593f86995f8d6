/** RHEL's own reader of kickstarts. Debian has no package of it, so it comes from Python's registry. */
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { answersOf, inFolder } from './answers.ts'

const PYKICKSTART = 'pykickstart==3.78'

/** A folder with pykickstart; made once for a machine. */
async function pykickstartFolder(): Promise<string> {
  const folder = join(tmpdir(), `purlin-${PYKICKSTART.replace('==', '-')}`)
  if (await stat(folder).catch(() => undefined)) return folder
  const fresh = await mkdtemp(`${folder}-`)
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore']
  const args = ['-m', 'pip', 'install', ...options, '--target', fresh, PYKICKSTART]
  await run('python3', args, { timeoutMs: 100_000 })
  // Another test process may have been first; its folder holds the same.
  await rename(fresh, folder).catch(() => rm(fresh, { recursive: true }))
  return folder
}

/** What ksvalidator says against any of the answers; nothing where it takes them all. */
async function validateKickstarts(
  folder: string,
  version: string,
  answers: readonly string[],
): Promise<string> {
  const files = answers.map((_, index) => join(folder, `answer-${index}.ks`))
  for (const [index, file] of files.entries()) await writeFile(file, answers[index] ?? '')
  const library = await pykickstartFolder()
  const { stdout, stderr, exitCode } = await run(
    'python3',
    [join(library, 'bin/ksvalidator'), '-v', version, ...files],
    {
      timeoutMs: 60_000,
      acceptedExitCodes: [1],
      environment: { PYTHONPATH: library },
    },
  )
  return exitCode === 0 ? stderr : `${stdout}${stderr}` || `ended with ${exitCode}`
}

test('pykickstart takes the answers for RHEL 9 and RHEL 10, and refuses a wrong option', async (t) => {
  await inFolder(async (folder) => {
    for (const target of ['rhel-9', 'rhel-10'] as const) {
      const version = target.toUpperCase().replace('-', '')
      const answers = answersOf(target)
      t.is(answers.length, 5)
      t.is(await validateKickstarts(folder, version, answers), '')
      const wrong = `${answers[0]}\nuser --name=ops --nome=x\n`
      t.regex(await validateKickstarts(folder, version, [wrong]), /nome/)
    }
  })
})
