import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BootSpec } from '../../src/index.ts'

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url))

/** Kernel and initrd of the probe guest: from `PURLIN_IMAGES`, else from the repository's own
 *  folder. */
export function probeImage(): BootSpec {
  const images = process.env.PURLIN_IMAGES ?? join(REPOSITORY, '.purlin/images')
  const kernel = join(images, 'probe/vmlinux')
  const initrd = join(images, 'probe/initrd')
  if (!existsSync(kernel) || !existsSync(initrd)) {
    throw new Error(`no guest image in ${images}: build it, or name its folder by PURLIN_IMAGES`)
  }
  const commandLine =
    'console=ttyS0 quiet tsc=reliable no_timer_check mitigations=off nokaslr random.trust_cpu=on'
  return { kernel, initrd, commandLine }
}
