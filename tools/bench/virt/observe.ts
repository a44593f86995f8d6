import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle } from '../../package/bundle.ts'
import { repository } from '../../repository.ts'
import { agentConfiguration, agentSocket } from '../../sandbox/agent.ts'
import { libvirtUri, startLibvirtd } from '../../sandbox/libvirtd.ts'
import { type BenchWords, runPrivateBench } from '../private.ts'
import { observeFindings } from './findings.ts'
import { observeLines } from './report.ts'

/** `./purlin bench virt observe`: looks at all domains against `virsh domstats`, and an agent with
 *  200 machines, in a private host, which needs root. */
export async function runObserveBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const bench = {
    name: 'virt observe',
    roundsDefault: 7,
    sets: ['sandbox'],
    inside: join(import.meta.dirname, 'observe-inside.ts'),
    order: async ({ rounds, quick }: BenchWords, host: Parameters<typeof startLibvirtd>[0]) => {
      await startLibvirtd(host)
      const configuration = join(host.paths.agent, 'host-agent.toml')
      const toml = agentConfiguration(host, { drift: 'repair' }).replace('"auto"', '"tcg"')
      const limits = '[capacity]\ncpuRatio = 1000\nmemoryRatio = 1000\n'
      await writeFile(configuration, `${toml}${limits}`, { mode: 0o600 })
      return {
        rounds: quick ? Math.min(rounds, 3) : rounds,
        looksARound: quick ? 5 : 10,
        machines: 200,
        guests: quick ? 4 : 16,
        agentSeconds: quick ? 20 : 60,
        uri: libvirtUri(host),
        pidFile: join(host.paths.folder, 'libvirtd.pid'),
        configuration,
        socket: agentSocket(host),
        main: await agentProgram(host.paths.folder),
      }
    },
    findings: observeFindings,
    lines: observeLines,
    timeoutMs: 20 * 60_000,
  } as const
  return await runPrivateBench(bench, words, signal)
}

const ADDONS = { netfilter: 'netlink-binding', virt: 'virt-binding' } as const

/** The agent as it is packaged, since types that are stripped while it runs cost memory. */
async function agentProgram(folder: string): Promise<string> {
  const main = join(folder, 'agent/host-agent.mjs')
  await bundle('apps/host-agent/src/main.ts', main)
  await mkdir(join(folder, 'agent/native'), { recursive: true })
  for (const [library, binding] of Object.entries(ADDONS)) {
    const name = `${binding}.linux-${process.arch}-gnu.node`
    await copyFile(
      join(repository, 'libs', library, 'native', name),
      join(folder, 'agent/native', name),
    )
  }
  return main
}
