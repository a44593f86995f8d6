import { glob } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { type LabSuite, labSuites } from '../kernel-lab/suites.ts'
import { repository } from '../repository.ts'
import { asRoot, type Command } from '../setup/privilege.ts'
import { readCargo, readTap } from './results.ts'
import { cases, check, type Suite } from './suite.ts'

const NODE = [process.execPath, '--conditions=purlin-source'] as const
const NX = [bin('nx'), 'run-many', '--output-style=static', '--nxBail=false'] as const

/** A program of the libraries by its path, whatever else of that name is installed. */
function bin(name: string): string {
  return join(repository, 'node_modules/.bin', name)
}

/** Shorter than the time of a suite, so that the guest's console is told. */
const LAB_MINUTES = 43

/** Every suite, in the order of running: the quick ones first. */
export async function allSuites(options: { readonly long: boolean }): Promise<readonly Suite[]> {
  return [
    cases('tidy', readTap, async () => [...NODE, 'tools/tidy/main.ts']),
    check('format and lint', bin('biome'), 'check'),
    check('types', bin('tsc'), '-p', 'tsconfig.check.json'),
    check('rust format', 'cargo', 'fmt', '--all', '--check'),
    check('rust lint', 'cargo', 'clippy', ...RUST, '--all-targets', '--', '-D', 'warnings'),
    cases('rust units', readCargo, async () => [...NX, '-t', 'test-rust']),
    cases('units', readTap, async () => [...NX, '-t', 'test', '--', '--tap']),
    ...(await hostSuites('netns')),
    ...(options.long ? await hostSuites('long') : []),
    ...(options.long ? await roadSuites() : []),
    ...(options.long ? labSuites.map(inLab) : []),
  ]
}

const RUST = ['--workspace', '--release', '--locked', '--quiet']

/** The suites that need root and the machine's daemons: for each package one. Those of `netns` run
 *  in a private host of their own, where nothing of the machine can be touched; those of `long` may
 *  need the network, so they do not. */
async function hostSuites(ending: 'netns' | 'long'): Promise<readonly Suite[]> {
  const patterns = [`{apps,libs}/*/tests/*.${ending}.test.ts`, `tools/tests/*.${ending}.test.ts`]
  const files = await Array.fromAsync(glob(patterns, { cwd: repository }))
  const packages = [...new Set(files.map((file) => dirname(dirname(file))))].toSorted()
  const title = ending === 'netns' ? 'on a host' : 'at length'
  return packages.map((folder) =>
    cases(
      `${folder} ${title}`,
      readTap,
      () => privileged(folder, ending),
      join(repository, folder),
    ),
  )
}

/** Whole roads: they take minutes to most of an hour each, so that each is a suite. */
async function roadSuites(): Promise<readonly Suite[]> {
  const pattern = '{apps,libs}/*/tests/*.road.test.ts'
  const files = await Array.fromAsync(glob(pattern, { cwd: repository }))
  return files.toSorted().map((file) => {
    const folder = dirname(dirname(file))
    const command = () => privileged(folder, 'road', [relative(folder, file)])
    return cases(file, readTap, command, join(repository, folder))
  })
}

async function privileged(
  folder: string,
  ending: 'netns' | 'long' | 'road',
  files: readonly string[] = [],
): Promise<Command> {
  const config = join(repository, `tools/test/${ending}.config.js`)
  const tests = [...NODE, bin('ava'), '--config', config, '--serial', '--tap', ...files] as const
  if (ending === 'long') return await asRoot(tests)
  const script = join(repository, 'tools/sandbox/in-host.ts')
  const prefix = `PURLIN_STATE_PREFIX=/tmp/purlin-test-${process.pid}-`
  const inside = ['env', prefix, ...tests]
  return await asRoot([...NODE, script, '--folder', join(repository, folder), '--', ...inside])
}

/** A package's suites in a guest of the kernel lab. */
function inLab({ folder, part, files, warm, environment }: LabSuite): Suite {
  const config = join(repository, 'tools/test/lab.config.js')
  const script = join(repository, 'tools/kernel-lab/in-lab.ts')
  const options = ['--folder', join(repository, folder), '--minutes', String(LAB_MINUTES)]
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const tests = [...NODE, bin('ava'), '--config', config, '--serial', '--tap', ...files]
  const warming = warm.flatMap((module) => ['--warm', module])
  const command = [script, ...options, ...warming, '--', 'env', ...settings, ...tests]
  return cases(`${folder} in the kernel lab: ${part}`, readTap, () => asRoot([...NODE, ...command]))
}
