import { parseArgs } from 'node:util'
import { run, toPurlinError } from '@purlin/base'
import { readConfiguration } from './config/config.ts'
import { serve } from './service/agent.ts'
import { restoreRules } from './service/restore.ts'

const USAGE = `usage: purlin-host-agent [serve] [--config FILE]   run the agent
       purlin-host-agent restore [--config FILE]   put the last rule set back (at boot)`

/** Runs the verb; the exit code is 0, 1 (failed) or 2 (usage). */
async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (thrown) {
    process.stderr.write(`${toPurlinError(thrown).message}\n${USAGE}\n`)
    return 2
  }
  const verb = parsed.positionals[0] ?? 'serve'
  if (parsed.positionals.length > 1 || !['serve', 'restore'].includes(verb)) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  try {
    const configuration = await readConfiguration(parsed.values.config)
    if (verb === 'serve') return await serve(configuration)
    process.stdout.write(`${await restoreRules(configuration, run)}\n`)
    return 0
  } catch (thrown) {
    const error = toPurlinError(thrown)
    process.stderr.write(`purlin-host-agent: ${error.code}: ${error.message}\n`)
    return 1
  }
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string', default: '/etc/purlin/host-agent.toml' } },
  })
}

// Libraries may still hold threads and timers, above all after a start that failed half-way.
process.exit(await main())
