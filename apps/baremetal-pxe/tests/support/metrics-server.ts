/** A deployment server of which instances see the monitoring alone: `metrics-server.ts FOLDER
 *  PACKAGES`. It writes FOLDER/agent.sh for one instance, serves the packages of the agent and
 *  takes its pushes at https://127.0.0.1:8448, and tells at /count how many series the last one
 *  had. */
import { createReadStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Monitoring, openMonitoring } from '../../src/monitoring/index.ts'
import { type Certificate, certificateIn } from './certificates.ts'

export const metricsPort = 8448

/** Takes pushes for `monitoring`; `seen` gets method and path of each request. */
export async function serveMetrics(
  { key, cert }: Certificate,
  monitoring: Monitoring,
  seen: string[],
): Promise<Server> {
  const packages = await monitoring.packages()
  const server = createServer({ key, cert }, async (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    const path = packages.get(request.url?.replace(/^\/system\//, '') ?? '')
    if (path !== undefined) {
      await pipeline(createReadStream(path), response)
    } else if (request.url === '/count') {
      const newest = await monitoring.latest('db-1')
      response.end(`${newest.series.length}\n`)
    } else {
      const body = Buffer.concat(await Array.fromAsync(request))
      const bearer = request.headers.authorization?.replace(/^Bearer /, '')
      const { status, message } = await monitoring.accept(bearer, body)
      response.writeHead(status).end(message)
    }
  })
  await new Promise<void>((resolve) => server.listen(metricsPort, '127.0.0.1', resolve))
  return server
}

if (import.meta.main) {
  const [folder = '', packages = ''] = process.argv.slice(2)
  await mkdir(folder, { recursive: true })
  const certificate = await certificateIn(folder, 'server')
  const monitoring = await openMonitoring({
    folder: join(folder, 'monitoring'),
    packageFolders: [packages],
    authority: async () => certificate.authority,
    warn: (message) => process.stderr.write(`${message}\n`),
  })
  await serveMetrics(certificate, monitoring, [])
  const of = { instance: 'db-1', chassis: 'rack1-u07' }
  const script = await monitoring.agentScript(of, `https://127.0.0.1:${metricsPort}`)
  await writeFile(join(folder, 'agent.sh.new'), script)
  await rename(join(folder, 'agent.sh.new'), join(folder, 'agent.sh'))
}
