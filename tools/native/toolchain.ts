import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'

const VERSION_TIMEOUT_MS = 30_000

/** The Rust tool chain that builds the native parts. */
export interface Toolchain {
  /** What `rustc -vV` prints: it is part of every build key. */
  readonly description: string
  /** The machine's target, such as `x86_64-unknown-linux-gnu`. */
  readonly triple: string
}

/** Asks the Rust tool chain what it is, from inside the repository so that `rust-toolchain.toml`
 *  counts.
 *  Errors: PUR_NATIVE_MISSING when there is none, or an older one than the file names. */
export async function findToolchain(repository: string): Promise<Toolchain> {
  const pin = await readFile(join(repository, 'rust-toolchain.toml'), 'utf8')
  const wanted = /channel = "([\d.]+)"/.exec(pin)?.[1] ?? ''
  const description = await describe('rustc', ['-vV'], repository, wanted)
  await describe('cargo', ['-V'], repository, wanted)
  const release = field(description, 'release')
  if (compareVersions(release, wanted) < 0) {
    throw missing(wanted, `rustc here is ${release}`)
  }
  return { description, triple: field(description, 'host') }
}

async function describe(
  program: string,
  args: readonly string[],
  repository: string,
  wanted: string,
): Promise<string> {
  try {
    const options = { timeoutMs: VERSION_TIMEOUT_MS, workingFolder: repository }
    return (await run(program, args, options)).stdout
  } catch (cause) {
    const absent = cause instanceof PurlinError && cause.code === 'PUR_EXEC_NOT_FOUND'
    throw missing(
      wanted,
      absent ? `${program} is not on the PATH` : `${program} does not run`,
      cause,
    )
  }
}

function missing(wanted: string, found: string, cause?: unknown): PurlinError {
  const command = `rustup toolchain install ${wanted} --profile minimal`
  const how = `install it by \`${command}\` (rustup itself: https://rustup.rs)`
  return new PurlinError('PUR_NATIVE_MISSING', {
    message: `Rust ${wanted} is needed: ${found}; ${how}`,
    context: { wanted },
    cause,
  })
}

function field(description: string, name: string): string {
  return new RegExp(`^${name}: (.+)$`, 'm').exec(description)?.[1] ?? ''
}

/** Below 0 if `left` is the older version; parts are numbers, a suffix such as `-nightly` is
 *  left aside. */
export function compareVersions(left: string, right: string): number {
  const parts = (version: string) => (version.split('-')[0] ?? '').split('.').map(Number)
  const rightParts = parts(right)
  for (const [i, part] of parts(left).entries()) {
    const difference = part - (rightParts[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
