import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { PurlinError, toPurlinError } from '@purlin/base'
import { problemsOfIssue, resourceName } from '@purlin/schema'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { type Deadlines, defaultDeadlines } from '../life/deadlines.ts'

const absolutePath = z.string().startsWith('/', 'must be an absolute path')
const port = z.number().int().min(1).max(65_535)
const millisecondsOfSeconds = z
  .number()
  .positive()
  .max(7 * 86_400)
  .transform((seconds) => Math.round(seconds * 1000))

/** `firstContactMs` is `firstContactSeconds` in the file. */
const deadlines = z.strictObject(
  Object.fromEntries(
    Object.keys(defaultDeadlines).map((name) => [
      name.replace(/Ms$/, 'Seconds'),
      millisecondsOfSeconds.optional(),
    ]),
  ),
)

/** `/etc/purlin/baremetal-pxe.toml`; every field has the default of a packaged daemon. */
const configuration = z.strictObject({
  host: z.strictObject({ name: resourceName.default(hostLabel()) }).prefault({}),
  state: z.strictObject({ folder: absolutePath.default('/var/lib/purlin/baremetal') }).prefault({}),
  run: z.strictObject({ folder: absolutePath.default('/run/purlin/baremetal') }).prefault({}),
  api: z
    .strictObject({
      socket: absolutePath
        .max(107, 'must fit a unix socket: 107 bytes')
        .default('/run/purlin/baremetal-pxe.sock'),
      tcpPort: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .default(0)
        .meta({ description: 'Loopback; 0: off.' }),
    })
    .prefault({}),
  boot: z
    .strictObject({
      httpPort: port.default(8088),
      httpsPort: port.default(8448),
      biosLoader: z.enum(['ipxe', 'pxelinux']).default('ipxe'),
      user: z.string().min(1).max(32).optional().meta({
        description: 'Whom dnsmasq becomes; absent: as it does by itself.',
      }),
    })
    .prefault({}),
  discovery: z
    .strictObject({
      folder: absolutePath
        .default('/var/lib/purlin/discovery')
        .meta({ description: 'Kernel and initrd of the discovery system.' }),
      consoles: z
        .array(z.string().regex(/^[A-Za-z0-9,]{1,32}$/))
        .max(4)
        .default(['tty0', 'ttyS0,115200'])
        .meta({ description: 'Of every kernel that a node starts; the last is the main one.' }),
    })
    .prefault({}),
  monitoring: z
    .strictObject({
      packages: absolutePath
        .default('/usr/share/purlin/bm-agent')
        .meta({ description: 'Folder of packages of the agent that instances install.' }),
    })
    .prefault({}),
  power: z
    .strictObject({ pollSeconds: z.number().int().min(5).max(3_600).default(60) })
    .prefault({}),
  bmc: z
    .strictObject({
      leastGapMs: z.number().int().min(0).max(60_000).optional().meta({
        description: 'Between two calls of a BMC; absent: 5 s over IPMI, 0.25 s over Redfish.',
      }),
      commandTimeoutSeconds: z.number().int().min(1).max(600).default(90),
    })
    .prefault({}),
  deadlines: deadlines.prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
})
export type Configuration = z.output<typeof configuration>

/** The deadlines that the file names, by their names in the program. Pure. */
export function deadlinesOf({ deadlines: named }: Configuration): Partial<Deadlines> {
  return Object.fromEntries(
    Object.entries(named)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name.replace(/Seconds$/, 'Ms'), value]),
  )
}

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
  const label = (hostname().split('.')[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  return resourceName.safeParse(label).success ? label : 'host'
}
