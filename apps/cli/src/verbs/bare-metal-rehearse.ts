import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { PurlinError } from '@purlin/base'
import { checkDocument, type DiscoveryReport, type Manifest } from '@purlin/schema'
import { createBareMetalClient, readManifestFiles } from '@purlin/sdk'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { documentsOf, readManifestFile } from '../manifest-file.ts'
import { positiveNumber } from '../options.ts'
import { planRehearsal, REHEARSAL_PORT, type RehearsalPlan } from '../rehearsal-plan.ts'

interface Flags {
  readonly template: string
  readonly file: string
  readonly image?: string
  readonly media?: string
  readonly like?: string
  readonly memory?: number
  readonly timeout: number
  readonly keep: boolean
}

/** Names the folder of a rehearsal to the process that carries it out, which is this program again
 *  in namespaces of its own. */
const INSIDE = 'PURLIN_REHEARSAL_FOLDER'
const REPORT = 'like.json'
const DEFAULT_TIMEOUT_SECONDS = 3_600
const CONSOLE_SHOWN_CHARACTERS = 4_000
const NAMESPACES = ['--net', '--mount', '--uts', '--ipc', '--pid', '--propagation', 'private']

/** `purlin bm rehearse` */
export function addRehearse(parent: Command, cli: Cli): void {
  parent
    .command('rehearse')
    .description('discover and install a template on a simulated chassis of this machine')
    .requiredOption('--template <name>', 'the template of the manifest')
    .requiredOption('-f, --file <file>', 'the manifest')
    .option('--image <name>', 'install this image of the manifest')
    .option('--media <name>', 'install from this medium of the manifest')
    .option('--like <chassis>', 'with the hardware that this chassis reported')
    .option('--memory <MiB>', 'of the simulated chassis', positiveNumber)
    .option('--timeout <seconds>', 'for the whole', positiveNumber, DEFAULT_TIMEOUT_SECONDS)
    .option('--keep', 'leave consoles, logs and disks in their folder', false)
    .action(async (flags: Flags) => {
      const folder = cli.streams.environment[INSIDE]
      if (folder === undefined) await enterNamespaces(cli, flags)
      else await carryOut(cli, flags, folder)
    })
}

/** Runs this program again in a network of its own; with its first process everything in it
 *  ends. */
async function enterNamespaces(cli: Cli, flags: Flags): Promise<void> {
  if (flags.image !== undefined && flags.media !== undefined) {
    throw new CommandFailure('--image and --media exclude each other', exitCodes.usage)
  }
  if (process.getuid?.() !== 0) {
    throw new CommandFailure('a rehearsal makes a network of its own: it needs root', 1)
  }
  const folder = await mkdtemp('/var/tmp/purlin-rehearsal-')
  try {
    await chmod(folder, 0o755)
    if (flags.like !== undefined) {
      const { report } = await cli.metal.chassis.report(flags.like)
      await writeFile(join(folder, REPORT), JSON.stringify(report))
    }
    // What fails must be told before a namespace is made.
    await planned(cli, flags, folder)
    const unshare = ['unshare', ...NAMESPACES, '--fork', '--kill-child=KILL', '--mount-proc']
    const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare, ...again], {
      stdio: 'inherit',
      env: { ...process.env, [INSIDE]: folder },
    })
    const [exitCode] = await once(child, 'exit')
    cli.exitCode = typeof exitCode === 'number' ? exitCode : exitCodes.interrupted
  } finally {
    if (flags.keep) cli.say(`kept: ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
}

interface Planned {
  readonly plan: RehearsalPlan
  readonly like: DiscoveryReport | undefined
  readonly folderOfManifest: string
}

async function planned(cli: Cli, flags: Flags, folder: string): Promise<Planned> {
  const { template, image, media } = flags
  const documents = documentsOf(await readManifestFile(cli, flags.file))
  const manifests = documents.flatMap((document): Manifest[] => {
    const { manifest } = checkDocument(document)
    return manifest === undefined ? [] : [manifest]
  })
  const text = await readFile(join(folder, REPORT), 'utf8').catch(() => undefined)
  const like = text === undefined ? undefined : (JSON.parse(text) as DiscoveryReport)
  const source = image !== undefined ? { image } : media !== undefined ? { media } : undefined
  const wish = { template, ...(source && { source }) }
  const plan = planRehearsal(manifests, wish, join(folder, 'bmc.password'), like)
  return { plan, like, folderOfManifest: dirname(resolve(flags.file)) }
}

async function carryOut(cli: Cli, flags: Flags, folder: string): Promise<void> {
  const { plan, like, folderOfManifest } = await planned(cli, flags, folder)
  const { hardwareOfReport, hardwareOfTemplate, rehearse } = await import(
    '@purlin/simulated-chassis'
  )
  const { disks, macs } =
    like === undefined
      ? hardwareOfTemplate(plan.template, plan.bootMac)
      : hardwareOfReport(like, plan.bootMac)
  const password = randomBytes(8).toString('hex')
  await writeFile(join(folder, 'bmc.password'), password, { mode: 0o600 })
  const seconds = (atMs: number): string => (atMs / 1_000).toFixed(1).padStart(7)
  try {
    const result = await rehearse({
      folder,
      daemon: daemonOf(),
      network: { bridge: plan.bridge, address: plan.address },
      chassis: {
        ...{ name: plan.chassis, ipmiPort: REHEARSAL_PORT, bmcAddress: '127.0.0.1' },
        ...{ username: 'admin', password, disks, firmware: plan.firmware, loader: 'ipxe' },
        ...{ memoryMiB: flags.memory ?? plan.memoryMiB },
        uuid: like?.system.uuid ?? randomUUID(),
        serial: serialOf(like?.system.serial) ?? plan.chassis,
      },
      macs,
      connect: async (socketPath) => {
        const client = createBareMetalClient({ socketPath })
        return {
          apply: async (signal) => {
            const { documents } = plan
            const { files, uploads } = await readManifestFiles(documents, folderOfManifest)
            await client.apply(documents, { files, signal })
            await client.uploadAll(uploads, { signal })
          },
          life: async (signal) => {
            const { status } = await client.chassis.get(plan.chassis, { signal })
            return status.life ?? { state: 'enrolled' }
          },
          close: async () => await client[Symbol.asyncDispose](),
        }
      },
      until: 'active',
      deadlineMs: flags.timeout * 1_000,
      onStep: ({ state, step, atMs }) => {
        const words = `${seconds(atMs)} s  ${state}${step === undefined ? '' : `: ${step}`}`
        if (cli.output === 'table') cli.streams.stdout.write(`${words}\n`)
      },
      signal: cli.streams.signal,
    })
    const answer = { template: flags.template, installs: plan.installs, ...result }
    cli.print(answer, () => `${flags.template}: ready after${seconds(result.totalMs)} s\n`)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_REHEARSAL_FAILED') throw thrown
    const tail = String(thrown.context.consoleTail ?? '').slice(-CONSOLE_SHOWN_CHARACTERS)
    if (tail !== '') cli.say(`the console of the chassis said last:\n${printable(tail)}`)
    throw thrown
  }
}

/** A serial number that a simulated BMC can hold; others are words of a maker who gave none. */
function serialOf(reported: string | undefined): string | undefined {
  return /^[\w.:/ -]{1,32}$/.test(reported ?? '') ? reported : undefined
}

/** The daemon that is rehearsed with: of this clone, or of the installed package. */
function daemonOf(): {
  readonly command: readonly [string, ...string[]]
  readonly discoveryFolder: string
  readonly packagesFolder?: string
} {
  if (import.meta.filename.endsWith('.ts')) {
    const clone = join(import.meta.dirname, '../../../..')
    const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
    return {
      command: [process.execPath, ...flags, join(clone, 'apps/baremetal-pxe/src/main.ts')],
      discoveryFolder: join(clone, '.purlin/discovery'),
      packagesFolder: join(clone, '.purlin/bare-metal/packages'),
    }
  }
  return {
    command: [process.execPath, '/usr/lib/purlin/baremetal/baremetal-pxe.mjs'],
    discoveryFolder: '/var/lib/purlin/discovery',
  }
}

/** Without what would move a terminal's cursor. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\n\t -~]/g, '')
}
