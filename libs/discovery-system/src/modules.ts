import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { zstdDecompressSync } from 'node:zlib'

const execFileAsync = promisify(execFile)
const XZ_TIMEOUT_MS = 60_000
const MODULE_LIMIT_BYTES = 64 * 1024 * 1024

/** Which drivers the system carries: those of virtual machines, or of servers as well. */
export type DriverSet = 'virtual' | 'all'

/** Needed everywhere: disks' software layers, file systems of images, the BMC from inside. */
const BASE = [
  /^drivers\/md\/(dm-mod|dm-bufio|dm-snapshot|dm-mirror|dm-log|dm-region-hash|linear|md-mod)\./,
  /^drivers\/md\/(raid[0-9]+|raid456)\./,
  /^fs\/(ext4|xfs|fat|efivarfs|jbd2)\//,
  /^fs\/nls\/nls_(ascii|cp437|iso8859-1|utf8)\./,
  /^drivers\/char\/ipmi\/ipmi_(msghandler|devintf|si|ssif)\./,
  /^net\/packet\//,
  /^(lib|crypto|arch\/x86\/crypto)\/.*crc/,
]

const VIRTUAL = [
  /^drivers\/virtio\//,
  /^drivers\/net\/virtio_net\./,
  /^drivers\/net\/vmxnet3\//,
  /^drivers\/net\/ethernet\/intel\/(e1000|e1000e|igb)\//,
  /^drivers\/block\/virtio_blk\./,
  /^drivers\/scsi\/(virtio_scsi|vmw_pvscsi|sd_mod|sg)\./,
  /^drivers\/ata\/(ahci|ata_piix)\./,
  /^drivers\/nvme\/host\/nvme\./,
  /^drivers\/char\/hw_random\/virtio-rng\./,
]

const PHYSICAL = [
  /^drivers\/net\/(ethernet|phy|mdio|pcs)\//,
  /^drivers\/(ata|scsi|message|nvme\/host)\//,
  /^drivers\/usb\/(host|storage)\//,
  /^drivers\/hid\/(hid-generic|usbhid\/usbhid)\./,
  /^drivers\/i2c\/(algos|busses)\//,
  /^drivers\/(infiniband\/core|hwmon\/drivetemp|dca|ptp|pps)/,
]

/** Whether `path`, relative to the kernel's folder, is one of the wanted modules. */
export function isWanted(path: string, drivers: DriverSet): boolean {
  const wanted = drivers === 'all' ? [...BASE, ...VIRTUAL, ...PHYSICAL] : [...BASE, ...VIRTUAL]
  return wanted.some((pattern) => pattern.test(path))
}

/** The lines of `modules.dep`: each module with those that it needs, as paths. */
export function parseDependencies(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = text.split('\n').filter((line) => line.includes(':'))
  return new Map(
    lines.map((line) => {
      const [module = '', needed = ''] = line.split(':')
      return [module, needed.split(' ').filter(Boolean)]
    }),
  )
}

/** The wanted modules of an indexed kernel and all that they need, as paths relative to `folder`,
 *  in order. */
export async function chooseModules(folder: string, drivers: DriverSet): Promise<string[]> {
  const text = await readFile(join(folder, 'modules.dep'), 'utf8')
  const chosen = new Set<string>()
  for (const [module, needed] of parseDependencies(text)) {
    if (!isWanted(module.replace(/^kernel\//, ''), drivers)) continue
    for (const path of [module, ...needed]) chosen.add(path)
  }
  return [...chosen].sort()
}

/** Copies modules, unpacked, and what depmod reads, into another folder of the same kernel. */
export async function copyModules(
  folder: string,
  target: string,
  paths: readonly string[],
): Promise<void> {
  for (const path of paths) {
    const place = join(target, path.replace(/\.(xz|zst)$/, ''))
    await mkdir(dirname(place), { recursive: true })
    await writeFile(place, await unpackModule(join(folder, path)))
  }
  for (const name of ['modules.order', 'modules.builtin', 'modules.builtin.modinfo']) {
    await writeFile(join(target, name), await readFile(join(folder, name)))
  }
}

/** One strong packing of everything beats two. */
async function unpackModule(path: string): Promise<Buffer> {
  if (path.endsWith('.xz')) {
    const options = {
      encoding: 'buffer',
      maxBuffer: MODULE_LIMIT_BYTES,
      timeout: XZ_TIMEOUT_MS,
    } as const
    return (await execFileAsync('xz', ['-dc', path], options)).stdout
  }
  const content = await readFile(path)
  return path.endsWith('.zst') ? zstdDecompressSync(content) : content
}

/** Files in `folder`, as paths relative to it, in order. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}
