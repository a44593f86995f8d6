import { PurlinError } from '@purlin/base'
import type { Finding } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { exitCodes } from '../exit-codes.ts'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'
import { findingTone } from '../output/words.ts'

/** `purlin doctor` */
export function addDoctor(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description(
      'what the host lacks or what stands in the way; exit code 1 where there is a problem',
    )
    .action(async () => {
      const findings = await findingsOf(cli)
      cli.print(findings, () => findingsText(findings, cli.colours))
      if (findings.some(({ status }) => status === 'problem')) cli.exitCode = exitCodes.failed
    })
}

/** The agent's findings; without an agent that itself, and what can be seen from here. */
async function findingsOf(cli: Cli): Promise<readonly Finding[]> {
  try {
    return await cli.daemon.doctor()
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_AGENT_UNREACHABLE') throw thrown
    const isHost = cli.side === 'host'
    const agent: Finding = {
      check: 'agent',
      status: 'problem',
      found: thrown.message,
      advice: isHost
        ? 'start it: systemctl start purlin-host-agent; what follows was seen without it'
        : 'start it: systemctl start purlin-baremetal-pxe',
    }
    if (!isHost) return [agent]
    // Loaded here alone: no other verb looks at the host itself.
    const { examineHost, systemHostReader } = await import('@purlin/hardware')
    return [agent, ...(await examineHost(systemHostReader))]
  }
}

const STATUS_WIDTH = 'problem'.length

/** What was found is a sentence, so each finding has lines of its own instead of columns. Pure. */
function findingsText(findings: readonly Finding[], colours: boolean): string {
  const lines = findings.flatMap((finding) => {
    const { status, check, found, advice } = finding
    const word = coloured(status.padEnd(STATUS_WIDTH), findingTone(finding), colours)
    const indent = ' '.repeat(STATUS_WIDTH)
    return [
      `${word}  ${check}: ${oneLine(found)}`,
      ...(advice === undefined ? [] : [`${indent}  ${oneLine(advice)}`]),
    ]
  })
  return `${lines.join('\n')}\n`
}
