import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, PurlinError, type Run } from '@purlin/base'
import { z } from 'zod'
import { writeDurably } from '../configuration/write-durably.ts'

export interface MappingOptions {
  readonly run: Run
  readonly clock: Clock
  /** The block daemon's program, which keeps devices connected. */
  readonly program: string
  /** Where it is noted what is to be mapped again at boot. */
  readonly file: string
  /** The kernel's block devices; /sys/block. */
  readonly devicesFolder: string
  /** Where device nodes are; /dev. */
  readonly nodesFolder: string
}

/** A volume as a block device of this host. */
export interface MappedVolume {
  readonly volume: string
  readonly socket: string
  /** The link that stays the same, such as `/dev/purlin/vol-a`. */
  readonly device: string
}

/** Volumes as block devices, by the kernel's NBD client. For each a process of the block daemon's
 *  program stays, and gives the kernel another connection whenever one has gone. */
export interface MappedVolumes {
  /** Maps a volume, now and at each boot; one that is mapped already is left as it is. Errors:
   *  PUR_BLOCK_MAP. */
  map(volume: string, socket: string): Promise<MappedVolume>
  /** Takes the device away; nobody may have it open. Errors: PUR_BLOCK_MAP. */
  unmap(volume: string): Promise<void>
  /** Maps what was mapped before the host was started; what fails is in the answer. */
  restore(): Promise<readonly { readonly volume: string; readonly error?: PurlinError }[]>
  list(): Promise<readonly MappedVolume[]>
}

const noted = z.array(z.object({ volume: z.string(), socket: z.string() }))
type Noted = z.infer<typeof noted>

const PROGRAM_TIMEOUT_MS = 30_000
/** For a daemon that starts beside us. */
const SOCKET_LIMIT_MS = 60_000
const LOOK_EVERY_MS = 50
const LINKS = 'purlin'

/** Makes it; nothing is done until it is used. The kernel's module `nbd` is needed when it is. */
export function mappedVolumes(options: MappingOptions): MappedVolumes {
  const linkOf = (volume: string): string => join(options.nodesFolder, LINKS, volume)
  const mapNow = async (volume: string, socket: string): Promise<MappedVolume> => {
    const device = linkOf(volume)
    const standing = await deviceBehind(options, device)
    if (standing === undefined) {
      await connect(options, volume, socket, device)
    }
    return { volume, socket, device }
  }
  return {
    map: async (volume, socket) => {
      const mapped = await mapNow(volume, socket)
      const others = (await readNoted(options)).filter((one) => one.volume !== volume)
      await note(options, [...others, { volume, socket }])
      return mapped
    },
    unmap: async (volume) => {
      const link = linkOf(volume)
      const name = await deviceBehind(options, link)
      if (name !== undefined) await disconnect(options, volume, name)
      await rm(link, { force: true })
      await note(
        options,
        (await readNoted(options)).filter((one) => one.volume !== volume),
      )
    },
    restore: async () => {
      const done: { readonly volume: string; readonly error?: PurlinError }[] = []
      for (const { volume, socket } of await readNoted(options)) {
        try {
          await until(options, SOCKET_LIMIT_MS, () => exists(socket), `${socket} to be there`)
          await mapNow(volume, socket)
          done.push({ volume })
        } catch (thrown) {
          if (!(thrown instanceof PurlinError)) throw thrown
          done.push({ volume, error: thrown })
        }
      }
      return done
    },
    list: async () =>
      (await readNoted(options)).map((one) => ({ ...one, device: linkOf(one.volume) })),
  }
}

/** Has the kernel choose a device that is free, or make one, and links it. */
async function connect(
  options: MappingOptions,
  volume: string,
  socket: string,
  link: string,
): Promise<void> {
  await program(options, volume, 'modprobe', ['nbd'])
  const words = ['map', '--socket', socket, '--export', volume]
  const name = await program(options, volume, options.program, words)
  if (!/^nbd\d+$/.test(name)) throw failure(volume, `${options.program} answered ${name}`)
  await replaceLink(join(options.nodesFolder, name), link)
}

async function disconnect(options: MappingOptions, volume: string, name: string): Promise<void> {
  const holders = await readdir(join(options.devicesFolder, name, 'holders')).catch(() => [])
  if (holders.length > 0) {
    throw failure(volume, `${name} is held by ${holders.join(', ')}; take that away first`)
  }
  const device = join(options.nodesFolder, name)
  await program(options, volume, options.program, ['unmap', '--device', device])
}

/** The connected device that a link of ours leads to. */
async function deviceBehind(options: MappingOptions, link: string): Promise<string | undefined> {
  const target = await readlink(link).catch(() => undefined)
  const name = target?.slice(target.lastIndexOf('/') + 1)
  return name !== undefined && (await isConnected(options, name)) ? name : undefined
}

/** The kernel shows a client's process while a device is connected. */
async function isConnected({ devicesFolder }: MappingOptions, name: string): Promise<boolean> {
  return await exists(join(devicesFolder, name, 'pid'))
}

async function replaceLink(node: string, link: string): Promise<void> {
  await mkdir(dirname(link), { recursive: true, mode: 0o755 })
  await rm(`${link}.new`, { force: true })
  await symlink(node, `${link}.new`)
  await rename(`${link}.new`, link)
}

/** Answers what the program printed. */
async function program(
  { run }: MappingOptions,
  volume: string,
  name: string,
  words: readonly string[],
): Promise<string> {
  try {
    return (await run(name, words, { timeoutMs: PROGRAM_TIMEOUT_MS })).stdout.trim()
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw failure(volume, `${found}; the kernel needs its module nbd`)
  }
}

async function until(
  { clock }: MappingOptions,
  limitMs: number,
  met: () => Promise<boolean>,
  what: string,
): Promise<void> {
  const endMs = clock.monotonicMs() + limitMs
  while (!(await met())) {
    if (clock.monotonicMs() > endMs) throw failure(what, `waited ${limitMs} ms in vain`)
    await clock.sleep(LOOK_EVERY_MS)
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

async function readNoted({ file }: MappingOptions): Promise<Noted> {
  const text = await readFile(file, 'utf8').catch(() => '[]')
  try {
    return noted.parse(JSON.parse(text))
  } catch {
    throw failure(file, 'it is not what was written there; repair it or take it away')
  }
}

async function note({ file }: MappingOptions, volumes: Noted): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeDurably(file, `${JSON.stringify(volumes, null, 2)}\n`)
}

function failure(subject: string, found: string): PurlinError {
  return new PurlinError('PUR_BLOCK_MAP', { message: `mapping ${subject}: ${found}` })
}
