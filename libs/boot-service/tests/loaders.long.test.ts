import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import test from 'ava'
import type { BootDecision } from '../src/index.ts'
import type { GuestOrder } from './support/guest.ts'

const GUEST = fileURLToPath(new URL('./support/guest.ts', import.meta.url))
/** Emulated firmware takes half a minute on a machine that does nothing else. */
const LIMIT_MS = 4 * 60_000
const asked = (firmware: string): string =>
  `told boot 52:54:00:88:00:07 10.88.0.7 ${firmware} rack1-u07 4c4c4544-0042-4810-8051-b4c04f4e3732 AB C&D`

/** Boots a machine and answers everything that was said; fails where something was not. */
async function boot(
  firmware: GuestOrder['firmware'],
  decision: BootDecision,
  ...awaited: readonly string[]
): Promise<string> {
  const order: GuestOrder = { firmware, decision, awaited, limitMs: LIMIT_MS }
  const node = [process.execPath, '--conditions=purlin-source', GUEST, JSON.stringify(order)]
  const { stdout, exitCode } = await run('unshare', ['--net', '--', ...node], {
    timeoutMs: LIMIT_MS + 30_000,
    acceptedExitCodes: [1],
  })
  if (exitCode !== 0) throw new Error(`not all of ${awaited.join(' | ')} was said:\n${stdout}`)
  return stdout
}

test.serial('a BIOS machine asks by iPXE and leaves for its disk when it is told so', async (t) => {
  const said = await boot(
    'bios',
    { boot: 'disk' },
    '/boot.ipxe',
    asked('bios'),
    'Purlin: boot from disk',
    'Booting from Hard Disk',
  )
  t.false(said.includes('Purlin has nothing to boot'))
})

test.serial(
  'UEFI’s own PXE gets snponly.efi, and a refusal leaves for the next entry',
  async (t) => {
    const said = await boot(
      'uefi',
      { boot: 'refused', reason: 'rack1-u07 is in maintenance' },
      'NBP filename is snponly.efi',
      asked('uefi'),
      'Purlin has nothing to boot for 52:54:00:88:00:07',
      'BdsDxe',
    )
    t.true(said.includes('403'))
  },
)

test.serial(
  'UEFI boots over HTTP without TFTP, and goes to its disk when it is told so',
  async (t) => {
    const said = await boot(
      'uefi-http',
      { boot: 'disk' },
      '/loader/ipxe.efi',
      asked('uefi'),
      'Purlin: boot from disk',
      'No more network devices',
    )
    t.false(said.includes('snponly'))
  },
)
