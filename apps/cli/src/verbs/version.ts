import { readFile } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'

const AGENT_DEADLINE_MS = 2_000

/** `purlin version` */
export function addVersion(program: Command, cli: Cli): void {
  program
    .command('version')
    .description('versions of this command and of the agent')
    .action(async () => {
      const versions = { client: await ownVersion(), agent: await agentVersion(cli) }
      const agent = versions.agent ?? 'does not answer'
      cli.print(versions, () => `purlin ${versions.client}\nagent  ${agent}\n`)
    })
}

async function ownVersion(): Promise<string> {
  const manifest: { version: string } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}

async function agentVersion(cli: Cli): Promise<string | null> {
  try {
    const options = { attempts: 1, deadlineMs: AGENT_DEADLINE_MS }
    return (await cli.client.health(options)).version
  } catch (thrown) {
    if (thrown instanceof PurlinError) return null
    throw thrown
  }
}
