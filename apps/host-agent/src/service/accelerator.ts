import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Run } from '@purlin/base'
import { writeWhole } from '@purlin/service'
import { type AcceleratorFinding, probeAccelerator } from '@purlin/virt'

interface KeptVerdict extends AcceleratorFinding {
  readonly bootId: string
}

/** How machines run here: as configured, else as found by a real boot. The verdict is kept until
 *  the host boots again. `kernel` is any image's; without one there is no machine to run yet. */
export async function findAccelerator(
  configured: 'auto' | 'kvm' | 'tcg',
  stateFolder: string,
  kernel: string | undefined,
  run: Run,
): Promise<AcceleratorFinding> {
  if (configured !== 'auto') return { kind: configured, reason: 'configured' }
  if (kernel === undefined) return { kind: 'tcg', reason: 'no image to try KVM with yet' }
  const file = join(stateFolder, 'accelerator.json')
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const kept = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as KeptVerdict,
    () => undefined,
  )
  if (kept?.bootId === bootId) return kept
  const found = await probeAccelerator({ run, kernel })
  await writeWhole(file, `${JSON.stringify({ ...found, bootId } satisfies KeptVerdict)}\n`)
  return found
}
