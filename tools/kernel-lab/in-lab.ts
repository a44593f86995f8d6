/** Runs a command in a guest of the kernel lab and gives its exit code:
 *  `node tools/kernel-lab/in-lab.ts [--folder FOLDER] [--warm MODULE]... [--minutes N]
 *  -- COMMAND ARGUMENT...` */
import { parseArgs } from 'node:util'
import { PurlinError } from '@purlin/base'
import { runInLab } from './lab.ts'

const { values, positionals } = parseArgs({
  options: {
    folder: { type: 'string', default: process.cwd() },
    warm: { type: 'string', multiple: true, default: [] },
    minutes: { type: 'string', default: '30' },
  },
  allowPositionals: true,
})
const stop = new AbortController()
// They go on being listened to: execa ends the process at a signal that nobody else listens to.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop.abort())
}
try {
  const { exitCode, output } = await runInLab({
    command: positionals,
    folder: values.folder,
    warm: values.warm,
    timeoutMs: Number(values.minutes) * 60_000,
    signal: stop.signal,
  })
  process.stdout.write(output)
  process.exitCode = exitCode
} catch (thrown) {
  if (!(thrown instanceof PurlinError)) throw thrown
  process.stderr.write(`purlin: ${thrown.message}\n`)
  process.exitCode = 1
}
