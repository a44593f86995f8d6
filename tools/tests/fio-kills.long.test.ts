import { run } from '@purlin/base'
import test from 'ava'

/** The program is built first, where that has not happened yet. */
const TIMEOUT_MS = 30 * 60_000

test('block daemon: fio finds all it wrote before each of 24 kills on either port', async (t) => {
  t.timeout(TIMEOUT_MS)
  const words = ['test', '--release', '--locked', '--quiet', '--package', 'purlin-blockd']
  const args = [...words, '--test', 'fio', '--', '--ignored']
  const { stdout, stderr, exitCode } = await run('cargo', args, {
    timeoutMs: TIMEOUT_MS,
    acceptedExitCodes: [101],
  })
  t.is(exitCode, 0, stdout + stderr)
  t.regex(stdout, /1 passed; 0 failed/)
})
