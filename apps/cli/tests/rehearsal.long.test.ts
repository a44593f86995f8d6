/** `purlin bm rehearse` as a person types it, up to the guest's boot: the report of another
 *  daemon's chassis, namespaces, network, BMC, a private daemon that the medium is uploaded to, and
 *  a machine that is switched on over the network. Installations to their end are in the roads. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { type FixedAgent, fixedAgent } from './agent.ts'

const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const NODE = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning', MAIN]
const EXAMPLE = new URL('../../../examples/bare-metal.yaml', import.meta.url).pathname
const TIMEOUT_MS = 5 * 60_000
const LIKE = {
  version: 1,
  system: { uuid: '0f0f0f0f-1111-2222-3333-444444444444', serial: 'To be, or not to be' },
  firmware: { mode: 'bios' },
  cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 2, threads: 4 }] },
  memory: { sizeMiB: 65_536 },
  disks: [
    { name: 'sda', serial: 'S3Z8', sizeBytes: 480 * 1024 ** 3, media: 'ssd', transport: 'sata' },
    { name: 'sdb', serial: 'X', sizeBytes: 1024 ** 3, media: 'ssd', transport: 'usb' },
  ],
  nics: [
    { name: 'eth0', mac: '52:54:00:88:00:07', link: true },
    { name: 'eth1', mac: '52:54:00:88:00:08', link: true },
  ],
}

test('a rehearsal like another chassis uploads its medium and starts the machine over the network', async (t) => {
  await using agent = await fixedAgent({
    'GET /v1/chassis/rack9-u01/reports/latest': [200, { id: 3, atMs: 0, report: LIKE }],
  })
  const file = await manifestIn(agent)
  const words = ['--template', 'db-server', '--media', 'debian-13', '--like', 'rack9-u01']
  const ended = await interrupted(t, agent, file, [...words, '--keep'])
  t.not(ended.exitCode, 0)
  t.regex(ended.stdout, / s {2}verifying/)
  const kept = /kept: (\/var\/tmp\/purlin-rehearsal-\S+)/.exec(ended.stderr)?.[1] ?? ''
  try {
    const disks = await readdir(join(kept, 'chassis'))
    t.deepEqual(
      disks.filter((name) => name.endsWith('.qcow2')),
      ['disk0.qcow2'],
    )
    const image = ['info', '--output=json', join(kept, 'chassis/disk0.qcow2')]
    const { stdout } = await run('qemu-img', image, { timeoutMs: TIMEOUT_MS })
    t.is(JSON.parse(stdout)['virtual-size'], 480 * 1024 ** 3)
    const events = JSON.parse(await readFile(join(kept, 'events.json'), 'utf8'))
    t.true(events.some(({ what }: { what: string }) => what === 'start, network first'))
    const content = join(kept, 'daemon/state/content/trees/debian-13/debian-installer/amd64/linux')
    t.is(await readFile(content, 'utf8'), 'kernel')
    t.deepEqual(
      agent.seen.map(({ method, path }) => `${method} ${path}`),
      ['GET /v1/chassis/rack9-u01/reports/latest'],
      'the daemon of the real chassis was asked for the report alone',
    )
  } finally {
    if (kept !== '') await rm(kept, { recursive: true })
  }
})

test('what cannot be rehearsed is told before a namespace is made, and nothing is left', async (t) => {
  await using agent = await fixedAgent({})
  const file = await manifestIn(agent)
  const folders = async (): Promise<readonly string[]> =>
    (await readdir('/var/tmp')).filter((name) => name.startsWith('purlin-rehearsal-'))
  const before = await folders()
  for (const [words, exitCode, said] of [
    [['--template', 'db-server', '--media', 'debian-13', '--image', 'x'], 2, /exclude each other/],
    [['--template', 'web'], 4, /the manifest has no DeploymentTemplate web/],
    [
      ['--template', 'db-server', '--media', 'trixie'],
      4,
      /the manifest has no InstallMedia trixie/,
    ],
    [['--template', 'db-server', '--like', 'rack9-u01'], 1, /nothing at GET .*rack9-u01/],
  ] as const) {
    const ended = await rehearse(t, agent, file, words)
    t.is(ended.exitCode, exitCode, ended.stderr)
    t.regex(ended.stderr, said)
  }
  t.deepEqual(await folders(), before)
})

/** A rehearsal that is interrupted as soon as its machine is on and expected to ask. */
async function interrupted(
  t: ExecutionContext,
  { socketPath }: FixedAgent,
  file: string,
  words: readonly string[],
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  t.timeout(TIMEOUT_MS)
  const child = spawn(process.execPath, [...NODE, 'bm', 'rehearse', '-f', file, ...words], {
    // A group of its own: whoever presses Ctrl-C interrupts the command with all that it started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PURLIN_BAREMETAL_SOCKET: socketPath },
  })
  let [stdout, stderr] = ['', '']
  child.stderr.on('data', (part: Buffer) => {
    stderr += part
  })
  child.stdout.on('data', (part: Buffer) => {
    const before = stdout
    stdout += part
    const met = (text: string): boolean => text.includes('discovering: first contact')
    if (met(stdout) && !met(before)) process.kill(-(child.pid ?? 0), 'SIGINT')
  })
  const [exitCode] = await once(child, 'close', { signal: AbortSignal.timeout(TIMEOUT_MS) })
  t.log(stdout)
  t.true(stdout.includes('discovering: first contact'), stderr)
  return { exitCode: typeof exitCode === 'number' ? exitCode : -1, stdout, stderr }
}

async function rehearse(
  t: ExecutionContext,
  agent: FixedAgent,
  file: string,
  words: readonly string[],
) {
  t.timeout(TIMEOUT_MS)
  return await run(process.execPath, [...NODE, 'bm', 'rehearse', '-f', file, ...words], {
    timeoutMs: TIMEOUT_MS,
    environment: { PURLIN_BAREMETAL_SOCKET: agent.socketPath },
    acceptedExitCodes: [1, 2, 3, 4],
  })
}

/** The example with the least of a medium and its other files. */
async function manifestIn({ folder }: FixedAgent): Promise<string> {
  const tree = join(folder, 'tree')
  const texts = {
    'tree/debian-installer/amd64/linux': 'kernel',
    'tree/debian-installer/amd64/initrd.gz': 'initrd',
    'tree/dists/trixie/Release': 'Suite: stable\n',
    'tree/.disk/info': 'Debian GNU/Linux 13.0.0 "Trixie" - Unofficial amd64 NETINST\n',
    'bmc-1.password': 'of the real one',
    'ops.hash': '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc\n',
    'ops.pub': `ssh-ed25519 ${'A'.repeat(68)} ops@example\n`,
    'bare-metal.yaml': (await readFile(EXAMPLE, 'utf8')).replace(
      'monitoring: true',
      'monitoring: false',
    ),
  }
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  await mkdir(join(folder, 'media'))
  const medium = ['-C', tree, '-cf', join(folder, 'media/debian-13.iso'), '.']
  await run('tar', medium, { timeoutMs: TIMEOUT_MS })
  return join(folder, 'bare-metal.yaml')
}
