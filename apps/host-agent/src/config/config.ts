import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { PurlinError, toPurlinError } from '@purlin/base'
import { problemsOfIssue, resourceName } from '@purlin/schema'
import { parse } from 'smol-toml'
import { z } from 'zod'

const absolutePath = z.string().startsWith('/', 'must be an absolute path')

const httpsAddress = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', {
    message: 'must be https://HOST:PORT',
  })

/** `/etc/purlin/host-agent.toml`; every field has the default of a packaged host. */
const configuration = z.strictObject({
  host: z.strictObject({ name: resourceName.default(hostLabel()) }).prefault({}),
  state: z.strictObject({ folder: absolutePath.default('/var/lib/purlin') }).prefault({}),
  api: z
    .strictObject({
      socket: absolutePath
        .max(107, 'must fit a unix socket: 107 bytes')
        .default('/run/purlin/host-agent.sock'),
      tcpPort: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .default(0)
        .meta({ description: 'Loopback; 0: off.' }),
    })
    .prefault({}),
  store: z
    .discriminatedUnion('engine', [
      z.strictObject({ engine: z.literal('sqlite') }),
      z.strictObject({
        engine: z.literal('etcd'),
        endpoints: z.array(httpsAddress).min(1).max(15),
        prefix: z
          .string()
          .regex(/^\/[a-zA-Z0-9._/-]{0,99}[a-zA-Z0-9]$/, 'must be like /purlin/dc1')
          .default('/purlin'),
        ca: absolutePath,
        certificate: absolutePath,
        key: absolutePath,
        keptRevisions: z.number().int().min(0).default(20_000),
      }),
    ])
    .optional()
    .meta({ description: 'Absent: what the host joined or moved to, or a SQLite file.' }),
  fleet: z
    .strictObject({
      listen: z
        .string()
        .regex(/^.+:\d{1,5}$/, 'must be ADDRESS:PORT')
        .optional()
        .meta({ description: 'Where other agents reach this one; absent: as the fleet was made.' }),
    })
    .prefault({}),
  images: z.strictObject({ folder: absolutePath.default('/var/lib/purlin/images') }).prefault({}),
  securityGroups: z
    .strictObject({
      inbound: z.enum(['allow', 'deny']).default('deny'),
      outbound: z.enum(['allow', 'deny']).default('allow'),
      withoutGroups: z.enum(['allow', 'deny']).default('allow'),
    })
    .prefault({})
    .meta({ description: 'What holds for NICs that do not say otherwise.' }),
  openvswitch: z
    .strictObject({
      databaseSocket: absolutePath.default('/run/openvswitch/db.sock'),
      datapath: z.enum(['auto', 'system', 'netdev']).default('auto'),
    })
    .prefault({}),
  libvirt: z.strictObject({ uri: z.string().min(1).default('qemu:///system') }).prefault({}),
  machines: z
    .strictObject({
      logFolder: absolutePath.default('/var/log/purlin'),
      runFolder: absolutePath
        .max(63, 'must leave room for the names of sockets: 63 bytes')
        .default('/run/purlin/machines')
        .meta({ description: 'Sockets of the serial ports of machines; the agent’s alone.' }),
      accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
    })
    .prefault({}),
  capacity: z
    .strictObject({
      cpuRatio: z.number().min(0.01).max(1_000).default(4),
      memoryRatio: z.number().min(0.01).max(1_000).default(1),
      reservedCpus: z.number().min(0).max(65_536).default(0),
      reservedMemoryMiB: z.number().int().min(0).default(512),
    })
    .prefault({})
    .meta({ description: 'How much of this host may be promised to machines.' }),
  trash: z
    .strictObject({ keepHours: z.number().min(0).max(8_760).default(72) })
    .prefault({})
    .meta({ description: 'How long a deleted machine may come back; 0: not at all.' }),
  reconcile: z
    .strictObject({
      drift: z.enum(['repair', 'report']).default('repair'),
      resyncSeconds: z.number().int().min(5).max(3600).default(60),
    })
    .prefault({}),
  storage: z
    .strictObject({
      sockets: absolutePath
        .max(40, 'must leave room for the names of volumes: 40 bytes')
        .default('/run/purlin-blockd'),
      configuration: absolutePath.default('/var/lib/purlin/storage/pools.yaml'),
      folder: absolutePath
        .default('/var/lib/purlin-blockd')
        .meta({ description: 'Where relative paths of disks begin.' }),
      proofs: absolutePath
        .default('/var/lib/purlin-cache')
        .meta({ description: 'Where purlin cache flush-test keeps which devices have passed.' }),
    })
    .optional()
    .meta({ description: 'The block daemon of this host; absent: it serves no storage.' }),
  network: z.strictObject({ runFolder: absolutePath.default('/run/purlin/network') }).prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
})
export type Configuration = z.output<typeof configuration>
/** Where a fleet keeps its state. */
export type EtcdConfiguration = Extract<NonNullable<Configuration['store']>, { engine: 'etcd' }>

/** Checks a configuration given as TOML text. Errors: PUR_CONFIG_INVALID with a problem for each
 *  field. */
export function parseConfiguration(text: string, fileName: string): Configuration {
  let table: unknown
  try {
    table = parse(text)
  } catch (thrown) {
    const message = `${fileName}: not TOML: ${toPurlinError(thrown).message.split('\n')[0]}`
    throw new PurlinError('PUR_CONFIG_INVALID', { message, cause: thrown })
  }
  const parsed = configuration.safeParse(table)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.flatMap((issue) => problemsOfIssue(issue, []))
  const listed = problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ')
  throw new PurlinError('PUR_CONFIG_INVALID', { message: `${fileName}: ${listed}`, problems })
}

/** Reads the configuration; an absent file means the defaults, an unreadable one is an error. */
export async function readConfiguration(file: string): Promise<Configuration> {
  try {
    return parseConfiguration(await readFile(file, 'utf8'), file)
  } catch (thrown) {
    if (thrown instanceof PurlinError) throw thrown
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') {
      return parseConfiguration('', file)
    }
    const message = `${file}: cannot be read: ${toPurlinError(thrown).message}`
    throw new PurlinError('PUR_CONFIG_INVALID', { message, cause: thrown })
  }
}

function hostLabel(): string {
  const label =
    hostname()
      .split('.')[0]
      ?.toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-') ?? ''
  return resourceName.safeParse(label).success ? label : 'host'
}
