import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, toPurlinError } from '@purlin/base'
import { repository } from './repository.ts'
import { readNote } from './sandbox/sandbox.ts'
import { diskError } from './sandbox/state-folder.ts'

const HELP = `usage: ./purlin VERB ...

  up [FILE] [--once] [--sabotage] [--yes] [-o json]
                 set the machine up, run FILE (examples/three-tier.yaml) in a sandbox,
                 measure who reaches whom; stays until Ctrl-C
  test [--long] [--yes] [PATTERN]
                 set the machine up and run every test
  bench agent [-o json]
                 measure the agent: rule edits, start, memory
  bench netfilter [--rounds N] [--quick] [-o json]
                 measure the firewall beside iptables and plain nft
  bench ec [--quick] [-o json]
                 measure erasure coding beside its peers; --worker: Purlin's side alone
  bench switch|block|cache|baremetal [PART] [-o json]
                 measure the switch, the block engine, the cache, bare metal; docs/benchmarks.md
  package [--out FOLDER]
                 make the .deb and .rpm packages
  setup [--yes]  only set the machine up
  help           this text

Every other verb goes to the command line client, which speaks to the sandbox that is up:
  apply, plan, get, describe, delete, events, alert, task, token, doctor, state, version;
  vm, sg, explain, switch, portgroup, port, router, top; host, fleet, store; pool, cache, ec;
  bm (bare metal);
  ./purlin VERB --help says more.
`

/** Exit codes: 0 ok, 1 failed, 2 usage, 4 refused. */
async function main(words: readonly string[], signal: AbortSignal): Promise<number> {
  const [verb = 'help', ...rest] = words
  switch (verb) {
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP)
      return 0
    case 'up':
      return await (await import('./verbs/up.ts')).runUp(rest, signal)
    case 'setup':
      return await (await import('./verbs/setup.ts')).runSetup(rest)
    case 'test':
      return await (await import('./verbs/test.ts')).runTest(rest, signal)
    case 'bench':
      return await (await import('./verbs/bench.ts')).runBench(rest, signal)
    case 'package':
      return await (await import('./verbs/package.ts')).runPackage(rest)
    default:
      return await commandLine(words)
  }
}

/** Runs a verb of the command line client, which speaks to this clone's sandbox where one is up. */
async function commandLine(words: readonly string[]): Promise<number> {
  const socket = process.env.PURLIN_SOCKET ?? (await runningSocket())
  const client = join(repository, 'apps/cli/src/main.ts')
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, client, ...words], {
    cwd: process.env.PURLIN_CALLER_FOLDER ?? process.cwd(),
    stdio: 'inherit',
    env: { ...process.env, ...(socket !== undefined && { PURLIN_SOCKET: socket }) },
  })
  const [exitCode] = await once(child, 'exit')
  return typeof exitCode === 'number' ? exitCode : 1
}

async function runningSocket(): Promise<string | undefined> {
  const note = await readNote()
  if (note === undefined) return undefined
  return await access(note.socket).then(
    () => note.socket,
    () => undefined,
  )
}

function explain(thrown: unknown): number {
  const error = toPurlinError(diskError(thrown))
  if (error.code === 'PUR_INTERNAL') {
    process.stderr.write(`${thrown instanceof Error ? thrown.stack : String(thrown)}\n`)
    return 1
  }
  process.stderr.write(`purlin: ${error.message}\n`)
  return error.context.usage === true ? 2 : error.code === 'PUR_INVALID' ? 4 : 1
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    stop.abort(new PurlinError('PUR_CANCELLED', { message: `ended by ${name}` }))
  })
}
try {
  process.exitCode = await main(process.argv.slice(2), stop.signal)
} catch (thrown) {
  process.exitCode = explain(thrown)
}
