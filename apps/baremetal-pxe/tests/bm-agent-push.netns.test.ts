import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openMonitoring } from '../src/monitoring/open-monitoring.ts'
import { agentProgram, residentBytes, start } from './support/agent-program.ts'
import { type Certificate, certificateIn } from './support/certificates.ts'
import { metricsPort, serveMetrics } from './support/metrics-server.ts'

const DB = { instance: 'db-1', chassis: 'rack1-u07' }

async function until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + 60_000
  while (!(await check())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within 60 s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('the agent pushes to a server that its authority vouches for, to no other, and again once it is back', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-push-'))
  const [own, foreign] = [
    await certificateIn(folder, 'own'),
    await certificateIn(folder, 'foreign'),
  ]
  const monitoring = await openMonitoring({
    folder: join(folder, 'monitoring'),
    packageFolders: [folder],
    authority: async () => own.authority,
    warn: (message) => t.fail(message),
  })
  await writeFile(join(folder, 'purlin-bm-agent_0.1.0_amd64.deb'), '')
  const script = await monitoring.agentScript(DB, `https://127.0.0.1:${metricsPort}`)
  const token = /'([A-Za-z0-9_-]{22})' >/.exec(script)?.[1] ?? ''
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, token, { mode: 0o600 })
  const configuration = join(folder, 'bm-agent.toml')
  await writeFile(
    configuration,
    `[push]
server = "https://127.0.0.1:${metricsPort}"
authority = "${join(folder, 'own.pem')}"
tokenFile = "${tokenFile}"
intervalSeconds = 5
`,
  )
  const servers = new Set<Server>()
  const seen: string[] = []
  const serve = async (certificate: Certificate, pushes: string[]): Promise<Server> => {
    const server = await serveMetrics(certificate, monitoring, pushes)
    servers.add(server)
    return server
  }
  const stop = async (server: Server): Promise<void> => {
    servers.delete(server)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const stolen: string[] = []
  const impostor = await serve(foreign, stolen)
  const agent = start(agentProgram, ['--config', configuration])
  try {
    await until('a word of the foreign certificate', () => /certificate/.test(agent.told()))
    await stop(impostor)
    t.deepEqual(stolen, [], 'a server that nobody vouches for gets nothing')

    const server = await serve(own, seen)
    await until('a push', async () => (await monitoring.latest('db-1')).series.length > 100)
    t.deepEqual([...new Set(seen)], ['POST /metrics'])
    await until('the agent says so', () => agent.told().endsWith('metrics are pushed\n'))
    await stop(server)
    const before = (await monitoring.latest('db-1')).lastPushMs ?? 0
    await until('the agent misses the server', () => !agent.told().endsWith('are pushed\n'))
    const again = await serve(own, seen)
    await until('a push after that', async () => {
      return ((await monitoring.latest('db-1')).lastPushMs ?? 0) > before
    })
    await stop(again)
    const bytes = await residentBytes(agent)
    t.log(`${bytes / 1e6} MB of memory at most`)
    t.true(bytes < 20_000_000)
    t.false(agent.told().includes(token))
  } finally {
    await agent.end()
    await Promise.all([...servers].map(stop))
    await monitoring.close()
    await rm(folder, { recursive: true })
  }
})
