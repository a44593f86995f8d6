import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { parseExposition } from '../src/monitoring/exposition/parse.ts'
import { agentProgram, residentBytes, start, textAt } from './support/agent-program.ts'

const THEIRS = 'http://127.0.0.1:9100/metrics'
const OURS = 'http://127.0.0.1:9101/metrics'

/** What node_exporter leaves out where nobody has given it options; Debian's package is built with
 *  some of its own. */
const UPSTREAM_OPTIONS = [
  '--web.listen-address=127.0.0.1:9100',
  '--collector.netdev.device-exclude=',
  '--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$',
  '--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)',
  '--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs|9p|nfs4?|cifs|ceph|fuse\\..*)$',
]

/** Of one moment only: the next reading has another. */
const MOMENTARY = /^node_(disk_io_now|scrape_collector_success)\{/
const ROOM = 0.02
const ATTEMPTS = 40

type Series = ReadonlyMap<string, number>

async function read(url: string, by: ReturnType<typeof start>): Promise<Series> {
  const parsed = parseExposition(Buffer.from(await textAt(url, by)))
  if (!parsed.ok) throw new Error(`${url}, line ${parsed.error.line}: ${parsed.error.reason}`)
  return new Map(parsed.value.map(({ key, value }) => [key, value]))
}

/** Whether `value` is as far as 2 % from what was there before and after. */
function fits(before: number, value: number, after: number, scale: number): boolean {
  const room = ROOM * Math.max(Math.abs(before), Math.abs(after), scale)
  return value >= Math.min(before, after) - room && value <= Math.max(before, after) + room
}

test('the agent tells what node_exporter tells: the same series, values within 2 % of theirs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-node-exporter-'))
  const configuration = join(folder, 'bm-agent.toml')
  await writeFile(configuration, '[scrape]\nlisten = "127.0.0.1:9101"\n')
  const theirs = start('prometheus-node-exporter', UPSTREAM_OPTIONS)
  const ours = start(agentProgram, ['--config', configuration])
  try {
    let left: string[] | undefined
    let compared = 0
    for (let attempt = 0; attempt < ATTEMPTS && left?.length !== 0; attempt += 1) {
      const before = await read(THEIRS, theirs)
      const between = await read(OURS, ours)
      const after = await read(THEIRS, theirs)
      const keys = [...between.keys()].filter(
        (key) => key.startsWith('node_') && !MOMENTARY.test(key),
      )
      const memoryBytes = between.get('node_memory_MemTotal_bytes{}') ?? 0
      if (left === undefined) {
        t.deepEqual(
          keys.filter((key) => !before.has(key) && !after.has(key)),
          [],
          'only ours',
        )
        const metrics = new Set(keys.map((key) => key.split('{')[0]))
        const missing = [...before.keys()].filter(
          (key) => metrics.has(key.split('{')[0]) && !between.has(key),
        )
        t.deepEqual(missing, [], 'only theirs')
        compared = keys.length
      }
      left = (left ?? keys).filter((key) => {
        const [first, value, last] = [before, between, after].map((of) => of.get(key))
        if (first === undefined || value === undefined || last === undefined) return true
        const scale = key.startsWith('node_memory_') ? memoryBytes : 0
        return !fits(first, value, last, scale)
      })
    }
    t.deepEqual(left, [])
    t.log(`${compared} series compared`)
    t.true(compared > 100)
    t.true((await residentBytes(ours)) < 20_000_000)
    t.true((await stat(agentProgram)).size < 5_000_000)
  } finally {
    await Promise.all([theirs.end(), ours.end()])
    await rm(folder, { recursive: true })
  }
})
