/** Makes a root image of Debian that the discovery system can put on a chassis; with --once only
 *  where there is none:
 *  `node tools/bare-metal/image.ts [--out FILE.tar.zst] [--suite trixie] [--include NAME,NAME] [--once]` */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { PurlinError, run } from '@purlin/base'
import { repository } from '../repository.ts'
import { debianArchive } from './archive.ts'

const BUILD_TIMEOUT_MS = 30 * 60_000

/** What every image has: a system that starts by BIOS and by UEFI, finds arrays and volumes,
 *  configures its network by networkd, and lets people in. `dbus`, because without a bus a system
 *  ignores a soft power-off; `curl` and `sudo`, because the last step of an installation calls
 *  them. */
const PACKAGES = [
  ...['linux-image-amd64', 'initramfs-tools', 'zstd', 'busybox', 'kmod'],
  ...['grub2-common', 'grub-pc-bin', 'grub-efi-amd64-bin', 'efibootmgr'],
  ...['systemd-sysv', 'udev', 'dbus', 'libpam-systemd', 'sudo', 'openssh-server'],
  ...['lvm2', 'mdadm', 'e2fsprogs', 'xfsprogs', 'dosfstools'],
  ...['iproute2', 'iputils-ping', 'ethtool', 'curl', 'ca-certificates', 'tzdata', 'locales'],
] as const

export interface ImageOptions {
  /** Absolute path of the archive; its checksum is written beside it, as sha256sum(1) does. */
  readonly out: string
  readonly suite: string
  /** Packages beside those that every image has. */
  readonly include: readonly string[]
  readonly signal?: AbortSignal
}

export interface BuiltImage {
  readonly file: string
  readonly sizeBytes: number
  readonly sha256: string
}

/** Makes an image out of the Debian mirror that this machine is set to. It has no host keys, no
 *  machine identity, no password and no user. Needs root. Errors: those of `run`, PUR_HOST_UNFIT
 *  where apt knows no Debian mirror. */
export async function buildRootImage(options: ImageOptions): Promise<BuiltImage> {
  const { out, suite, include, signal } = options
  await mkdir(dirname(out), { recursive: true })
  const { uri, keyring } = await debianArchive()
  const half = `${out}.half.tar`
  const names = [...PACKAGES, ...include].join(',')
  const hooks = CLEANING.flatMap((command) => ['--customize-hook', command])
  const source = `deb [signed-by=${keyring}] ${uri} ${suite} main`
  const words = ['--quiet', '--variant=minbase', `--include=${names}`, ...hooks]
  const limits = { timeoutMs: BUILD_TIMEOUT_MS, ...(signal && { signal }) }
  try {
    await run('mmdebstrap', [...words, suite, half, source], limits)
    await run('zstd', ['--quiet', '--force', '-6', '-T0', half, '-o', `${out}.half`], limits)
  } finally {
    await rm(half, { force: true })
  }
  const sha256 = await sha256Of(`${out}.half`)
  await rename(`${out}.half`, out)
  await writeFile(`${out}.sha256`, `${sha256}  ${basename(out)}\n`)
  return { file: out, sizeBytes: (await stat(out)).size, sha256 }
}

/** Shell commands of mmdebstrap, `$1` is the root: what would be the same on every machine made of
 *  the image must be each machine's own, and what nobody reads there goes. */
const CLEANING = [
  'rm -f "$1"/etc/ssh/ssh_host_*_key*; : > "$1"/etc/machine-id',
  'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/info/*',
  'printf "GRUB_DISABLE_OS_PROBER=true\\n" >> "$1"/etc/default/grub',
  'printf "# host name and addresses come at the installation\\n" > "$1"/etc/hosts',
  // Linker cache and catalogues are current: the first start need not make them again.
  'touch -r "$1"/usr "$1"/etc/.updated "$1"/var/.updated',
] as const

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(repository, '.purlin/bare-metal/debian-13.tar.zst') },
      suite: { type: 'string', default: 'trixie' },
      include: { type: 'string', default: '' },
      once: { type: 'boolean', default: false },
    },
  })
  try {
    const include = values.include.split(',').filter(Boolean)
    if (values.once && existsSync(`${values.out}.sha256`)) process.exit()
    const built = await buildRootImage({ ...values, include })
    process.stdout.write(`${built.file}: ${built.sizeBytes} bytes, SHA-256 ${built.sha256}\n`)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    process.stderr.write(`purlin: ${thrown.message}\n`)
    process.exitCode = 1
  }
}
