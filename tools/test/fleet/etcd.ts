/** A cluster of etcd with TLS, for tests. As a program it serves tests of packages that may not
 *  import tools: `node tools/test/fleet/etcd.ts FOLDER [MEMBERS]` prints one line of JSON with what
 *  a client needs, then reads lines such as `kill 0`, `start 0`, `pause 0`, `resume 0` and answers
 *  each with `done`; it ends its members when its input ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PurlinError, systemClock } from '@purlin/base'
import { createAuthority, type Identity, issueIdentity, openEtcdStore } from '@purlin/store'

export interface TestEtcdOptions {
  /** For data, certificates and logs. */
  readonly folder: string
  /** An odd number; 1 if absent. */
  readonly members?: number
  /** Where it listens; loopback if absent. */
  readonly address?: string
  /** First of its ports, two a member; 23790 if absent. */
  readonly firstPort?: number
  /** What its members prove themselves by, and whom they believe; absent: an authority is made. */
  readonly given?: { readonly server: Identity; readonly ca: string }
  /** The command line that runs a program where the members run; absent: here. */
  readonly enter?: (command: readonly string[]) => readonly string[]
  /** Whom its members refuse, read at every handshake; it is there before they start. */
  readonly revokedFile?: string
}

/** What a client of the cluster needs. */
export interface TestEtcdAccess extends Identity {
  readonly endpoints: readonly string[]
  readonly ca: string
}

const READY_LIMIT_MS = 30_000
const POLL_MS = 50

/** A cluster whose members are processes of this host. They end with the private host, or by
 *  `stop`. */
export class TestEtcd {
  readonly access: TestEtcdAccess
  readonly authority: Identity
  readonly #folder: string
  readonly #address: string
  readonly #firstPort: number
  readonly #revokedFile: string | undefined
  readonly #enter: (command: readonly string[]) => readonly string[]
  readonly #processes: (ChildProcess | undefined)[]

  private constructor(options: TestEtcdOptions, authority: Identity, client: Identity) {
    const { folder, members = 1, address = '127.0.0.1', firstPort = 23_790 } = options
    this.#folder = folder
    this.#address = address
    this.#firstPort = firstPort
    this.#revokedFile = options.revokedFile
    this.#enter = options.enter ?? ((command) => command)
    this.#processes = Array.from({ length: members }, () => undefined)
    this.authority = authority
    const endpoints = this.#processes.map((_, index) => this.#url(index, 0))
    this.access = { endpoints, ca: authority.certificate, ...client }
  }

  /** Starts a cluster and answers when it answers. */
  static async start(options: TestEtcdOptions): Promise<TestEtcd> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 })
    const { server, client, authority } = await identities(options)
    const cluster = new TestEtcd(options, authority, client)
    await cluster.#write('ca.pem', authority.certificate)
    await cluster.#write('server.pem', server.certificate)
    await cluster.#write('server.key', server.key)
    for (const index of cluster.#processes.keys()) cluster.start(index)
    await cluster.ready()
    return cluster
  }

  /** Starts a member, with the data it had. */
  start(index: number): void {
    const name = `m${index}`
    const log = openSync(join(this.#folder, `${name}.log`), 'a', 0o600)
    const files = (kind: string): string[] => [
      `--${kind}cert-file=server.pem`,
      `--${kind}key-file=server.key`,
      `--${kind}trusted-ca-file=ca.pem`,
      `--${kind}client-cert-auth`,
    ]
    const peers = this.#processes.map((_, each) => `m${each}=${this.#url(each, 1)}`).join(',')
    const args = [
      ...[`--name=${name}`, `--data-dir=${name}`, '--log-level=warn', '--logger=zap'],
      ...[`--listen-client-urls=${this.#url(index, 0)}`],
      ...[`--advertise-client-urls=${this.#url(index, 0)}`],
      ...[`--listen-peer-urls=${this.#url(index, 1)}`],
      ...[`--initial-advertise-peer-urls=${this.#url(index, 1)}`],
      ...[`--initial-cluster=${peers}`, '--initial-cluster-state=new'],
      ...files(''),
      ...files('peer-'),
      ...(this.#revokedFile === undefined ? [] : [`--client-crl-file=${this.#revokedFile}`]),
    ]
    const options = { cwd: this.#folder, stdio: ['ignore', log, log] as ('ignore' | number)[] }
    const words = ['--pdeathsig', 'KILL', ...this.#enter(['etcd', ...args])]
    this.#processes[index] = spawn('setpriv', words, options)
    closeSync(log)
  }

  /** Answers when a majority answers. Errors: PUR_STORE_UNREACHABLE after half a minute. */
  async ready(): Promise<void> {
    const store = openEtcdStore({ ...this.access, prefix: '/ready' })
    const limit = systemClock.monotonicMs() + READY_LIMIT_MS
    try {
      for (;;) {
        const failure = await store.get('/none').then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        if (failure === undefined) return
        if (systemClock.monotonicMs() > limit) throw failure
        await systemClock.sleep(POLL_MS)
      }
    } finally {
      await store.close()
    }
  }

  /** Ends a member as a crash would. */
  async kill(index: number): Promise<void> {
    const member = this.#running(index)
    const ended = once(member, 'exit')
    member.kill('SIGKILL')
    await ended
    this.#processes[index] = undefined
  }

  /** Makes a member hang. */
  pause(index: number): void {
    this.#running(index).kill('SIGSTOP')
  }

  resume(index: number): void {
    this.#running(index).kill('SIGCONT')
  }

  /** Ends every member that runs. */
  async stop(): Promise<void> {
    for (const [index, member] of this.#processes.entries()) {
      if (member !== undefined) await this.kill(index)
    }
  }

  #running(index: number): ChildProcess {
    const member = this.#processes[index]
    if (member !== undefined) return member
    throw new PurlinError('PUR_INVALID', { message: `etcd member ${index} does not run` })
  }

  #url(index: number, peer: 0 | 1): string {
    return `https://${this.#address}:${this.#firstPort + 2 * index + peer}`
  }

  async #write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, name), text, { mode: 0o600 })
  }
}

/** A server may speak as a client too, so that what was given is enough for the tests' own
 *  calls. */
async function identities({ given, address = '127.0.0.1' }: TestEtcdOptions) {
  if (given !== undefined) {
    const { server, ca } = given
    return { server, client: server, authority: { certificate: ca, key: '' } }
  }
  const authority = await createAuthority('test-etcd')
  const addresses = [address, '127.0.0.1']
  return {
    authority,
    client: await issueIdentity(authority, { name: 'client', addresses: [] }),
    server: await issueIdentity(authority, { name: 'etcd', addresses }),
  }
}

async function serve(folder: string, members: number): Promise<void> {
  const cluster = await TestEtcd.start({ folder, members })
  process.stdout.write(`${JSON.stringify(cluster.access)}\n`)
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, index] = line.split(' ')
    if (verb === 'kill') await cluster.kill(Number(index))
    else if (verb === 'start') cluster.start(Number(index))
    else if (verb === 'pause') cluster.pause(Number(index))
    else if (verb === 'resume') cluster.resume(Number(index))
    else throw new PurlinError('PUR_INVALID', { message: `${line}: no such command` })
    process.stdout.write('done\n')
  }
  await cluster.stop()
}

if (import.meta.main) await serve(process.argv[2] ?? '', Number(process.argv[3] ?? 1))
