import { parseArgs } from 'node:util'
import { toPurlinError } from '@purlin/base'
import { readConfiguration } from './config/config.ts'
import { serve } from './service/daemon.ts'
import { VERSION } from './service/version.ts'

const USAGE = `usage: purlin-baremetal-pxe [serve] [--config FILE]   run the daemon
       purlin-baremetal-pxe --version`

/** Runs the verb; the exit code is 0, 1 (failed) or 2 (usage). */
async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (thrown) {
    process.stderr.write(`${toPurlinError(thrown).message}\n${USAGE}\n`)
    return 2
  }
  if (parsed.values.version) {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  const verb = parsed.positionals[0] ?? 'serve'
  if (parsed.positionals.length > 1 || verb !== 'serve') {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  try {
    return await serve(await readConfiguration(parsed.values.config))
  } catch (thrown) {
    const error = toPurlinError(thrown)
    process.stderr.write(`purlin-baremetal-pxe: ${error.code}: ${error.message}\n`)
    return 1
  }
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string', default: '/etc/purlin/baremetal-pxe.toml' },
      version: { type: 'boolean', default: false },
    },
  })
}

// Libraries may still hold threads and timers, above all after a start that failed half-way.
process.exit(await main())
