import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { repository } from '../repository.ts'
import { loadManifest, ManifestRefused } from '../sandbox/up/manifest.ts'
import { readUpOptions } from '../sandbox/up/options.ts'
import { up } from '../sandbox/up/up.ts'
import { asRoot, isRoot } from '../setup/privilege.ts'
import { Progress } from '../setup/progress.ts'
import { PREPARED, setUp } from '../setup/set-up.ts'

/** `./purlin up`; gives the exit code. */
export async function runUp(words: readonly string[], signal: AbortSignal): Promise<number> {
  const options = readUpOptions(words)
  const progress = new Progress()
  try {
    if (isRoot()) return await up(options, progress, signal)
    // What belongs to the clone is made by its user; the sandbox alone needs root.
    await loadManifest(options.file)
    await setUp({ yes: options.yes, sets: ['sandbox', 'build', 'guest'], progress })
    return await againAsRoot(words)
  } catch (thrown) {
    if (!(thrown instanceof ManifestRefused)) throw thrown
    for (const line of thrown.lines) process.stderr.write(`${line}\n`)
    return 4
  }
}

async function againAsRoot(words: readonly string[]): Promise<number> {
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  const main = join(repository, 'tools/main.ts')
  const [program, ...args] = await asRoot(
    ['env', `${PREPARED}=yes`, process.execPath, ...flags, main, 'up', ...words],
    ['PURLIN_CALLER_FOLDER'],
  )
  const child = spawn(program, args, { stdio: 'inherit' })
  // Ctrl-C at the terminal reaches sudo and the sandbox by themselves; this process only waits for
  // them.
  const [exitCode] = await once(child, 'exit')
  return typeof exitCode === 'number' ? exitCode : 1
}
