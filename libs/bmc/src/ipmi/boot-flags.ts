import type { BootDevice, BootRequest, BootTarget } from '../bmc.ts'

/** Asks for the boot flags: netFn 0, command 9, parameter 5 (IPMI 2.0, 28.13). */
export const READ_BOOT_FLAGS = ['raw', '0x00', '0x09', '0x05', '0x00', '0x00'] as const
const BOOT_FLAGS = 5

/** Device selectors of boot flags, table 28-14. */
const SELECTORS: Readonly<Record<number, BootTarget>> = {
  0: 'none',
  1: 'pxe',
  2: 'disk',
  5: 'cdrom',
  6: 'setup',
}

/** ipmitool's names of the devices. */
const WORDS: Readonly<Record<BootTarget, string>> = {
  none: 'none',
  pxe: 'pxe',
  disk: 'disk',
  cdrom: 'cdrom',
  setup: 'bios',
}

/** Reads the answer: version, parameter, then five bytes of flags, of which two matter. Undefined
 *  when it is of another form. */
export function readBootFlags(bytes: readonly number[]): BootDevice | undefined {
  const [version, parameter, flags, selector] = bytes
  if (version === undefined || parameter === undefined) return undefined
  if (flags === undefined || selector === undefined || bytes.length < 5) return undefined
  if ((version & 0x0f) !== 1 || (parameter & 0x7f) !== BOOT_FLAGS) return undefined
  return {
    device: SELECTORS[(selector >> 2) & 0x0f] ?? 'other',
    lasting: (flags & 0x40) !== 0,
    firmware: (flags & 0x20) === 0 ? 'bios' : 'uefi',
    valid: (flags & 0x80) !== 0,
  }
}

/** The words of ipmitool that set a boot device. */
export function bootWords({ device, lasting, firmware }: BootRequest): readonly string[] {
  const options = [...(lasting ? ['persistent'] : []), ...(firmware === 'uefi' ? ['efiboot'] : [])]
  const words = ['chassis', 'bootdev', WORDS[device]]
  return options.length === 0 ? words : [...words, `options=${options.join(',')}`]
}
