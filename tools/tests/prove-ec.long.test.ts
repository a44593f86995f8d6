import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'

const SCRIPT = join(import.meta.dirname, '../native/prove-ec.ts')
const PROOF_TIMEOUT_MS = 45 * 60_000
const FUZZ_SECONDS = 60

for (const [group, title] of [
  ['miri', 'erasure coding: Miri finds nothing on the scalar and the vector kernels'],
  ['asan', 'erasure coding: AddressSanitizer finds nothing on the vector kernels'],
  ['neon', 'erasure coding: the NEON kernel gives the bytes of the scalar one'],
  ['fuzz', 'erasure coding: fuzzing finds no difference to the scalar kernel'],
] as const) {
  test(title, async (t) => {
    t.timeout(PROOF_TIMEOUT_MS)
    const args = ['--conditions=purlin-source', SCRIPT, '--seconds', String(FUZZ_SECONDS), group]
    const { stdout, exitCode } = await run(process.execPath, args, {
      timeoutMs: PROOF_TIMEOUT_MS,
      acceptedExitCodes: [1],
    })
    t.is(exitCode, 0, stdout)
    t.regex(stdout, /^ok - /)
  })
}
