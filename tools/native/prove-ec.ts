/** Proves what tests alone do not show of purlin-ec-core: `node --conditions=purlin-source
 *  tools/native/prove-ec.ts [--seconds N] [miri|asan|neon|fuzz ...]`, all of them when none is
 *  named. Installs the Rust tools it needs; NEON on another processor needs the Debian packages of
 *  the set `cross` too. Prints one line a proof and fails if one does. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, type RunOptions, run } from '@purlin/base'
import { repository } from '../repository.ts'
import { crossRun, processors } from './cross.ts'

const INSTALL_TIMEOUT_MS = 20 * 60_000
const PROOF_TIMEOUT_MS = 40 * 60_000
const FUZZ_SECONDS_DEFAULT = 60
const FUZZ_INPUT_BYTES_MAX = 4096

const crate = join(repository, 'libs/ec-native/crates/ec-core')
const toolFolder = join(repository, '.purlin/cargo')
const buildFolder = join(repository, 'target/prove-ec')
const ARM = processors.arm64.triple
const PACKAGE = ['--package', 'purlin-ec-core'] as const
const NIGHTLY_COMPONENTS = ['miri', 'rust-src'] as const

/** Without a sanitizer, which has its own proof: both at once take the compiler very long. */
const FUZZ = ['+nightly', 'fuzz', 'run', '--sanitizer', 'none'] as const

/** An allocation that is too large fails as it does without the sanitizer: a test asks for one. */
const ADDRESS_SANITIZER = {
  RUSTFLAGS: '-Zsanitizer=address',
  ASAN_OPTIONS: 'allocator_may_return_null=1',
}

/** The unrolled passes with a sanitizer's checks take minutes to optimize fully. */
const QUICK_BUILD = { CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_PROFILE_RELEASE_LTO: 'off' }

type Environment = Readonly<Record<string, string>>

/** One way of proof: a command that fails when the proof does. */
export interface Proof {
  readonly group: 'miri' | 'asan' | 'neon' | 'fuzz'
  readonly title: string
  readonly args: readonly string[]
  readonly environment: Environment
  readonly folder: string
}

/** The proofs on this processor, by the machine's `arch` as Node names it. Pure. */
export function proofs(arch: string, fuzzSeconds: number): readonly Proof[] {
  const host = arch === 'arm64' ? ARM : 'x86_64-unknown-linux-gnu'
  const miri = ['+nightly', 'miri', 'test', ...PACKAGE, '--test', 'small']
  const vectors = arch === 'x64' ? ['+avx2,+gfni'] : []
  return [
    proof('miri', 'Miri finds nothing on the scalar kernel', miri, { folder: 'miri' }),
    ...vectors.map((features) =>
      proof('miri', `Miri finds nothing on the vector kernels of ${features}`, miri, {
        folder: 'miri',
        environment: { RUSTFLAGS: `-C target-feature=${features}` },
      }),
    ),
    proof(
      'asan',
      'AddressSanitizer finds nothing on every kernel of this processor',
      ['+nightly', 'test', '--release', '--target', host, ...PACKAGE, '--lib', '--tests'],
      { folder: 'asan', environment: { ...ADDRESS_SANITIZER, ...QUICK_BUILD } },
    ),
    proof(
      'neon',
      'the NEON kernel gives the scalar bytes',
      ['test', '--release', '--target', ARM, ...PACKAGE, ...neonTests()],
      { folder: 'neon' },
    ),
    {
      ...proof(
        'fuzz',
        `${fuzzSeconds} s of fuzzing find no difference to the scalar kernel`,
        [...FUZZ, 'codec', '--', `-max_total_time=${fuzzSeconds}`],
        { folder: 'fuzz', environment: QUICK_BUILD },
      ),
      folder: crate,
    },
  ]
}

/** The tests that compare kernels; the others would prove the same again, slowly. */
function neonTests(): readonly string[] {
  return ['kernels', 'golden', 'operations', 'small'].flatMap((name) => ['--test', name])
}

function proof(
  group: Proof['group'],
  title: string,
  args: readonly string[],
  how: { readonly folder: string; readonly environment?: Environment },
): Proof {
  const fuzzing = group === 'fuzz' ? [`-max_len=${FUZZ_INPUT_BYTES_MAX}`] : []
  const environment = { CARGO_TARGET_DIR: join(buildFolder, how.folder), ...how.environment }
  return { group, title, args: [...args, ...fuzzing], environment, folder: repository }
}

const INSTALL: RunOptions = { timeoutMs: INSTALL_TIMEOUT_MS, workingFolder: repository }

/** Installs what each group needs beside the tool chain of the repository; the answer is what cargo
 *  must find in its environment for it. */
const needs: Readonly<Record<Proof['group'], () => Promise<Environment>>> = {
  miri: nightly,
  asan: nightly,
  neon: () => crossRun('arm64'),
  fuzz: async () => {
    const environment = await nightly()
    const program = join(toolFolder, 'bin/cargo-fuzz')
    const exists = await access(program).then(
      () => true,
      () => false,
    )
    if (!exists) {
      await run('cargo', ['install', '--locked', '--root', toolFolder, 'cargo-fuzz'], INSTALL)
    }
    return environment
  },
}

async function nightly(): Promise<Environment> {
  const components = NIGHTLY_COMPONENTS.flatMap((name) => ['--component', name])
  const args = ['toolchain', 'install', 'nightly', '--profile', 'minimal', '--no-self-update']
  const installed = await run('rustup', ['run', 'nightly', 'cargo', 'miri', '--version'], {
    ...INSTALL,
    acceptedExitCodes: [1, 101],
  })
  if (installed.exitCode !== 0) await run('rustup', [...args, ...components], INSTALL)
  return {}
}

/** Runs one proof; the answer is what went wrong, if anything did. */
async function prove(one: Proof): Promise<string | undefined> {
  try {
    const environment = await needs[one.group]()
    await run('cargo', one.args, {
      timeoutMs: PROOF_TIMEOUT_MS,
      workingFolder: one.folder,
      environment: {
        ...environment,
        ...one.environment,
        PATH: `${join(toolFolder, 'bin')}:${process.env.PATH ?? ''}`,
      },
    })
    return undefined
  } catch (error) {
    if (error instanceof PurlinError) return error.message
    throw error
  }
}

if (import.meta.main) {
  const options = { seconds: { type: 'string', default: String(FUZZ_SECONDS_DEFAULT) } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const all = proofs(process.arch, Number(values.seconds))
  const wanted = all.filter(({ group }) => positionals.length === 0 || positionals.includes(group))
  if (wanted.length === 0) process.exitCode = 1
  for (const one of wanted) {
    const failure = await prove(one)
    process.stdout.write(`${failure === undefined ? 'ok' : 'not ok'} - ${one.title}\n`)
    if (failure === undefined) continue
    process.exitCode = 1
    process.stdout.write(`${failure.replaceAll(/^/gm, '  ')}\n`)
  }
}
