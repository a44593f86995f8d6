import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { EtcdStoreOptions } from '../src/etcd/open.ts'

const PROGRAM = join(import.meta.dirname, '../../../tools/test/fleet/etcd.ts')

/** A real etcd with TLS in this private host, run by a program of the repository's tools. */
export class EtcdUnderTest {
  readonly access: Omit<EtcdStoreOptions, 'prefix'>
  readonly folder: string
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(
    folder: string,
    program: ChildProcess,
    lines: AsyncIterator<string>,
    access: Omit<EtcdStoreOptions, 'prefix'>,
  ) {
    this.folder = folder
    this.#process = program
    this.#lines = lines
    this.access = access
  }

  static async start(members: number): Promise<EtcdUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'etcd-'))
    const program = spawn(
      process.execPath,
      ['--conditions=purlin-source', PROGRAM, folder, String(members)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
    const { value } = await lines.next()
    return new EtcdUnderTest(folder, program, lines, JSON.parse(String(value)))
  }

  /** `kill 0`, `start 0`, `pause 0`, `resume 0`: what becomes of a member. */
  async tell(command: string): Promise<void> {
    this.#process.stdin?.write(`${command}\n`)
    const { value } = await this.#lines.next()
    if (value !== 'done') throw new Error(`etcd: ${command}: ${String(value)}`)
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await ended
    await rm(this.folder, { recursive: true, force: true })
  }
}
