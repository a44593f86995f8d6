/** Inside a private host: the boot service beside nginx, round by round. The order is the one
 *  argument, the findings go to standard output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { useOfTree } from '../process-tree.ts'
import type { HttpFindings, HttpRound } from './http-findings.ts'

interface Order {
  readonly rounds: number
  readonly clients: number
  readonly fileMib: number
  /** How often each client fetches the file in a round. */
  readonly repeats: number
}

interface Side {
  readonly process: ChildProcess
  readonly url: string
}

const ADDRESS = '10.88.0.1'
const NGINX_PORT = 8091
const MIB = 1024 * 1024
const READY_DEADLINE_MS = 30_000
const ROUND_DEADLINE_MS = 120_000

const order: Order = JSON.parse(process.argv[2] ?? '{}')
// In memory: a disk is not what is measured.
const folder = await mkdtemp('/dev/shm/purlin-http-')
const sides: Side[] = []
try {
  await chmod(folder, 0o755)
  await mkdir(join(folder, 'served'))
  const image = join(folder, 'served', 'image')
  await writeImage(image)
  await makeInterface()
  const [ours, nginx] = [await startOurs(image), await startNginx()]
  const findings: HttpFindings = {
    ...{ clients: order.clients, fileMib: order.fileMib, ours: [], nginx: [], residentMib: 0 },
  }
  for (let number = -1; number < order.rounds; number++) {
    // Who begins changes, so that neither always comes second.
    const first = number % 2 === 0 ? ours : nginx
    const second = first === ours ? nginx : ours
    const [one, other] = [await measure(first), await measure(second)]
    const { residentMiB } = await useOfTree(ours.process.pid ?? 0)
    // The first round warms both up.
    if (number < 0) continue
    findings.residentMib = Math.max(findings.residentMib, residentMiB)
    findings.ours.push(first === ours ? one : other)
    findings.nginx.push(first === ours ? other : one)
  }
  process.stdout.write(JSON.stringify(findings))
} finally {
  for (const side of sides) {
    const exit = once(side.process, 'exit')
    side.process.kill('SIGTERM')
    await exit
  }
  await rm(folder, { recursive: true, force: true })
}

/** Bytes that no server can leave out or press together. */
async function writeImage(path: string): Promise<void> {
  const file = await open(path, 'w')
  const random = await open('/dev/urandom', 'r')
  const buffer = Buffer.alloc(MIB)
  for (let written = 0; written < order.fileMib; written++) {
    await random.read(buffer, 0, MIB, null)
    await file.write(buffer)
  }
  await Promise.all([file.close(), random.close()])
}

async function makeInterface(): Promise<void> {
  const ip = async (...args: string[]): Promise<void> => {
    await run('ip', args, { timeoutMs: 10_000 })
  }
  await ip('link', 'set', 'lo', 'up')
  await ip('link', 'add', 'bench0', 'type', 'bridge')
  await ip('address', 'add', `${ADDRESS}/24`, 'dev', 'bench0')
  await ip('link', 'set', 'bench0', 'up')
}

async function startOurs(image: string): Promise<Side> {
  const program = join(import.meta.dirname, 'http-server.ts')
  const state = join(folder, 'boot')
  const args = ['--conditions=purlin-source', program, state, image]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const side = { process: child, url: `${text.toString().trim()}/image/bench` }
  sides.push(side)
  return side
}

/** As Debian ships it: sendfile, and a worker for each core. */
async function startNginx(): Promise<Side> {
  const configuration = join(folder, 'nginx.conf')
  await writeFile(
    configuration,
    `worker_processes auto;
daemon off;
user root;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  access_log ${folder}/access.log;
  server { listen ${ADDRESS}:${NGINX_PORT}; root ${folder}/served; }
}
`,
  )
  const child = spawn('nginx', ['-c', configuration], { stdio: ['ignore', 'ignore', 'inherit'] })
  const side = { process: child, url: `http://${ADDRESS}:${NGINX_PORT}/image` }
  sides.push(side)
  const endMs = systemClock.monotonicMs() + READY_DEADLINE_MS
  while (!(await answers(side.url))) {
    if (systemClock.monotonicMs() > endMs) throw new Error('nginx did not answer')
    await systemClock.sleep(20)
  }
  return side
}

async function answers(url: string): Promise<boolean> {
  const head = ['--silent', '--fail', '--head', '--output', '/dev/null', url]
  const accepted = { timeoutMs: 5_000, acceptedExitCodes: [7, 22] }
  return (await run('curl', head, accepted)).exitCode === 0
}

/** All clients fetch at once; the time is until the last has all. */
async function measure(side: Side): Promise<HttpRound> {
  const id = side.process.pid ?? 0
  const before = (await useOfTree(id)).cpuMs
  const startMs = systemClock.monotonicMs()
  await Promise.all(
    Array.from({ length: order.clients }, async () => {
      const urls = Array.from({ length: order.repeats }, () => ['--output', '/dev/null', side.url])
      const args = ['--silent', '--fail', ...urls.flat()]
      await run('curl', args, { timeoutMs: ROUND_DEADLINE_MS })
    }),
  )
  const seconds = (systemClock.monotonicMs() - startMs) / 1_000
  const cpuSeconds = ((await useOfTree(id)).cpuMs - before) / 1_000
  const mib = order.clients * order.repeats * order.fileMib
  return { mibPerSecond: mib / seconds, cpuSecondsPerGib: cpuSeconds / (mib / 1_024) }
}
