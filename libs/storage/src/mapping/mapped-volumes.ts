import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, PurlinError, type Run } from '@purlin/base'
import { z } from 'zod'
import { writeDurably } from '../configuration/write-durably.ts'

export interface MappingOptions {
  readonly run: Run
  readonly clock: Clock
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

/** Volumes as block devices, by the kernel's NBD client. */
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
const SETTLE_LIMIT_MS = 10_000
const LOOK_EVERY_MS = 50
const LINKS = 'purlin'

/** Makes it; nothing is done until it is used. The program `nbd-client` and the kernel's module
 *  `nbd` are needed when it is. */
export function mappedVolumes(options: MappingOptions): MappedVolumes {
  const linkOf = (volume: string): string => join(options.nodesFolder, LINKS, volume)
  const mapNow = async (volume: string, socket: string): Promise<MappedVolume> => {
    const device = linkOf(volume)
    const standing = await deviceBehind(options, device)
    if (standing === undefined) {
      await connectFree(options, volume, socket, device)
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

/** Connects the first device that is free and links it. Two at once may choose the same: then the
 *  kernel refuses the second, and it takes the next. */
async function connectFree(
  options: MappingOptions,
  volume: string,
  socket: string,
  link: string,
): Promise<void> {
  await program(options, volume, 'modprobe', ['nbd'])
  const names = (await readdir(options.devicesFolder)).filter((name) => /^nbd\d+$/.test(name))
  let refused: PurlinError | undefined
  for (const name of names.toSorted((a, b) => Number(a.slice(3)) - Number(b.slice(3)))) {
    if (await isConnected(options, name)) continue
    const node = join(options.nodesFolder, name)
    const words = ['-unix', socket, node, '-name', volume, '-block-size', '4096', '-persist']
    try {
      await program(options, volume, 'nbd-client', words)
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || !(await isConnected(options, name))) throw thrown
      refused = thrown
      continue
    }
    await until(
      options,
      SETTLE_LIMIT_MS,
      () => isConnected(options, name),
      `${node} to be connected`,
    )
    await replaceLink(node, link)
    return
  }
  throw (
    refused ??
    failure(
      volume,
      `none of the ${names.length} NBD devices is free; load nbd with a larger nbds_max`,
    )
  )
}

async function disconnect(options: MappingOptions, volume: string, name: string): Promise<void> {
  const holders = await readdir(join(options.devicesFolder, name, 'holders')).catch(() => [])
  if (holders.length > 0) {
    throw failure(volume, `${name} is held by ${holders.join(', ')}; take that away first`)
  }
  await program(options, volume, 'nbd-client', ['-d', join(options.nodesFolder, name)])
  const gone = async (): Promise<boolean> => !(await isConnected(options, name))
  await until(options, SETTLE_LIMIT_MS, gone, `${name} to be free`)
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

async function program(
  { run }: MappingOptions,
  volume: string,
  name: string,
  words: readonly string[],
): Promise<void> {
  try {
    await run(name, words, { timeoutMs: PROGRAM_TIMEOUT_MS })
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw failure(volume, `${found}; the kernel needs the module nbd and the host nbd-client`)
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
