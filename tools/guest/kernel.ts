import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError, run } from '@purlin/base'

const TIMEOUT_MS = 60_000
/** The tools of kmod are in sbin, which the PATH of a person may lack. */
const environment = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

/** Before the guest says that it is ready: what the network and the agent's channel need. */
const FIRST_MODULES = ['virtio_pci', 'virtio_net', 'virtio_console']
/** After it: balloon, memory that comes later, entropy, disks, the power button. */
const LATER_MODULES = [
  ...['virtio_balloon', 'virtio_mem', 'virtio_rng', 'virtio_blk'],
  ...['button', 'evdev'],
]

const XZ_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])

/** The kernel's modules of the guest, as paths in load order. */
export interface ModuleOrder {
  readonly first: readonly string[]
  readonly later: readonly string[]
}

/** The version of the one kernel unpacked in `root`, such as `6.1.0-56-cloud-amd64`. */
export async function kernelVersion(root: string): Promise<string> {
  const images = (await readdir(join(root, 'boot'))).filter((name) => name.startsWith('vmlinuz-'))
  const [image] = images
  if (image === undefined || images.length > 1) {
    throw new PurlinError('PUR_INTERNAL', { message: `${root}/boot: ${images.length} kernels` })
  }
  return image.slice('vmlinuz-'.length)
}

/** The modules that the guest loads, each after those it depends on. */
export async function moduleOrder(root: string, version: string): Promise<ModuleOrder> {
  await indexModules(root, version)
  const first = await withDependencies(root, version, FIRST_MODULES)
  const later = await withDependencies(root, version, LATER_MODULES)
  return { first, later: later.filter((path) => !first.includes(path)) }
}

/** Writes the indices by which modprobe finds the modules in `root`. */
export async function indexModules(root: string, version: string): Promise<void> {
  await run('depmod', ['-b', root, version], { timeoutMs: TIMEOUT_MS, environment })
}

/** Paths of modules in `root`, which are indexed, each after those it depends on. */
export async function withDependencies(
  root: string,
  version: string,
  modules: readonly string[],
): Promise<readonly string[]> {
  const paths: string[] = []
  for (const module of modules) {
    const args = ['-d', root, '-S', version, '--show-depends', module]
    const { stdout } = await run('modprobe', args, { timeoutMs: TIMEOUT_MS, environment })
    for (const [, path = ''] of stdout.matchAll(/^insmod (\S+)/gm)) paths.push(path)
  }
  return [...new Set(paths)]
}

/** Writes the kernel of `image` (a bzImage) unpacked into `target`, for QEMU's direct entry
 *  (PVH): unpacking it here once saves every boot the time.
 *  Errors: PUR_INVALID for an image that is packed neither by lz4 nor by xz. */
export async function unpackKernel(image: string, target: string): Promise<void> {
  const payload = kernelPayload(await readFile(image), basename(image))
  const isXz = payload.subarray(0, XZ_MAGIC.length).equals(XZ_MAGIC)
  const packed = `${target}.${isXz ? 'xz' : 'lz4'}`
  await writeFile(packed, payload)
  if (isXz) await run('xz', ['-dqkf', packed], { timeoutMs: TIMEOUT_MS })
  else await run('lz4', ['-dqf', packed, target], { timeoutMs: TIMEOUT_MS })
}

/** The packed kernel inside a bzImage.
 *  Source: The Linux/x86 Boot Protocol, fields setup_sects, header, payload_offset and
 *  payload_length; the last four bytes of the payload are its unpacked size. */
export function kernelPayload(image: Buffer, name: string): Buffer {
  const invalid = (found: string) =>
    new PurlinError('PUR_INVALID', { message: `${name}: no kernel of the expected form: ${found}` })
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') {
    throw invalid('it has no boot header')
  }
  const setupSectors = image.readUInt8(0x1f1) || 4
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248)
  const end = start + image.readUInt32LE(0x24c) - 4
  if (end > image.length || end - start < 4) throw invalid('its payload lies outside of it')
  const payload = image.subarray(start, end)
  // The magic of lz4's legacy frame, which the kernel uses.
  const isLz4 = payload.readUInt32LE(0) === 0x184c_2102
  if (isLz4 || payload.subarray(0, XZ_MAGIC.length).equals(XZ_MAGIC)) return payload
  throw invalid('it is packed neither by lz4 nor by xz')
}
