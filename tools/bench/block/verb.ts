import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { buildNative } from '../../native/build.ts'
import { cacheFolder } from '../../repository.ts'
import { Progress } from '../../setup/progress.ts'
import { setUpPackages } from '../../setup/set-up.ts'
import { type Comparison, compare, type Finding } from './compare.ts'
import { type Extra, memory, snapshots, sustained } from './extras.ts'
import { jobs } from './jobs.ts'
import { type BlockFindings, reportLines } from './report.ts'
import { fill, type PoolShape, type Server, startPurlin, startQemu } from './servers.ts'

const USAGE =
  'usage: ./purlin bench block [--rounds N] [--seconds N] [--folder FOLDER] [-o table|json] [--yes]'
const VOLUME_MIB = 1024

const one: PoolShape = {
  name: 'replicas 1',
  redundancy: '{ replicas: 1 }',
  disks: 1,
  diskGiB: 3,
  volumeMiB: VOLUME_MIB,
}
const two: PoolShape = { ...one, name: 'replicas 2', redundancy: '{ replicas: 2 }', disks: 2 }
const coded: PoolShape = {
  ...one,
  name: 'EC 4+2',
  redundancy: '{ erasure: "4+2" }',
  disks: 6,
  diskGiB: 1,
}

/** `./purlin bench block`: the daemon against qemu-storage-daemon, by fio's NBD client. */
export async function runBlockBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const options = readWords(words)
  const progress = new Progress()
  await setUpPackages({ yes: options.yes, sets: ['build', 'reference'], progress })
  await progress.step('purlin-blockd built', () => buildNative(['blockd']))
  const folder = await mkdtemp(join(options.folder, 'purlin-bench-block-'))
  try {
    const findings = await progress.step('measured', () => measureAll(folder, options, signal))
    const asJson = options.output === 'json'
    const lines = asJson ? [JSON.stringify(findings, null, 2)] : reportLines(findings)
    process.stdout.write(`${lines.join('\n')}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return 0
}

async function measureAll(
  folder: string,
  { rounds, seconds }: Options,
  signal: AbortSignal,
): Promise<BlockFindings> {
  const servers: Server[] = []
  const begun = async (server: Promise<Server>): Promise<Server> => {
    const found = await server
    servers.push(found)
    await fill(found, signal)
    return found
  }
  try {
    const raw = await begun(startQemu(folder, 'raw', VOLUME_MIB))
    const qcow2 = await begun(startQemu(folder, 'qcow2', VOLUME_MIB))
    const findings: Finding[] = []
    const extras: Extra[] = []
    for (const shape of [one, two, coded]) {
      const purlin = await begun(startPurlin(folder, shape))
      for (const comparison of comparisons(shape, purlin, raw, qcow2)) {
        findings.push(await compare(comparison, rounds, seconds, signal))
      }
      extras.push(await memory(purlin))
      if (shape === one) {
        extras.push(...(await sustained(purlin, raw, signal)))
        extras.push(...(await snapshots(purlin, seconds, signal)))
      }
      servers.pop()
      await purlin.stop()
    }
    return { rounds, seconds, findings, extras }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

function comparisons(
  shape: PoolShape,
  purlin: Server,
  raw: Server,
  qcow2: Server,
): readonly Comparison[] {
  const best = { iopsRatioMin: 1.2, p99RatioMax: 1, cpuRatioMax: 0.6 }
  const loads = [jobs.read1, jobs.read32, jobs.write1, jobs.write32]
  if (shape === one) return loads.map((job) => ({ job, purlin, peer: raw, goal: best }))
  const writes = { job: jobs.write32, purlin, peer: qcow2 }
  if (shape === two) return [{ ...writes, goal: { iopsRatioMin: 1 } }]
  return [
    { ...writes, goal: { iopsRatioMin: 0.7 } },
    { job: jobs.sequential, purlin, peer: raw, goal: { iopsRatioMin: 0.6 } },
  ]
}

interface Options {
  readonly output: 'table' | 'json'
  readonly rounds: number
  readonly seconds: number
  readonly folder: string
  readonly yes: boolean
}

function readWords(words: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '3' },
        folder: { type: 'string', default: cacheFolder },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const { output, folder, yes } = values
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: a number from 1')
    if (!Number.isInteger(seconds) || seconds < 1) throw new Error('--seconds: a number from 1')
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, rounds, seconds, folder, yes }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
