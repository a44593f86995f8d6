import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PurlinError } from '@purlin/base'

const BUILD_TIMEOUT_MS = 30 * 60_000

/** Runs `cargo build --release --locked`; its progress and its errors go to this process's
 *  standard error as they come, which is why this is not `run` of the base library.
 *  Errors: PUR_EXEC_FAILED, PUR_EXEC_TIMEOUT. */
export async function cargoBuild(
  repository: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const child = spawn('cargo', ['build', '--release', '--locked', ...args], {
    cwd: repository,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 2, 2],
    signal: AbortSignal.timeout(BUILD_TIMEOUT_MS),
  })
  const [exitCode] = await once(child, 'exit').catch((cause: unknown) => {
    throw new PurlinError('PUR_EXEC_TIMEOUT', {
      message: `cargo build did not end within ${BUILD_TIMEOUT_MS / 60_000} minutes and was killed`,
      cause,
    })
  })
  if (exitCode !== 0) {
    throw new PurlinError('PUR_EXEC_FAILED', {
      message: 'cargo build failed on the native parts: the compiler’s messages stand above',
      context: { program: 'cargo', exitCode },
    })
  }
}
