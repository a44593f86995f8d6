import assert from 'node:assert/strict'
import type { BootDecision } from '../desk.ts'

/** The kernel takes 2,048 bytes on x86; the names of initrds come on top of what the desk says. */
const COMMAND_LINE_LIMIT = 1_900
/** How long a reason stays on a machine's screen, in seconds. */
const SHOWN_SECONDS = 10

/** The first script, the same for every node: it says who asks. Not replaced by what it leads to
 *  when that is refused, so that the machine goes on to its next boot device. Pure. */
export function chainScript(httpUrl: string): string {
  const question = `platform=${setting('platform')}&uuid=${setting('uuid')}&serial=${setting('serial:uristring')}`
  const address = `${httpUrl}/boot/${setting('netX/mac:hexhyp')}.ipxe`
  return lines([
    '#!ipxe',
    `chain --replace --autofree ${address}?${question} || goto refused`,
    ':refused',
    `echo Purlin has nothing to boot for ${setting('netX/mac')}, its events say why`,
    `sleep ${SHOWN_SECONDS}`,
    'exit 1',
  ])
}

/** The script of one node. iPXE has no quoting: it cuts lines at spaces and expands settings in all
 *  of them, so every word from elsewhere must be one word and hold no setting. The desk makes such
 *  words; another one is a fault of the program and stops here. Pure. */
export function bootScript(
  decision: BootDecision,
  httpUrl: string,
  system: { readonly authority: boolean },
): string {
  switch (decision.boot) {
    case 'disk':
      return lines(['#!ipxe', 'echo Purlin: boot from disk', ...LEAVE])
    case 'refused':
      return refusedScript(decision.reason)
    case 'discovery': {
      const initrds = [...(system.authority ? ['/system/ca.cpio'] : []), '/system/initrd']
      return kernelScript('/system/kernel', initrds, decision.arguments, httpUrl)
    }
    case 'installer':
      return kernelScript(decision.kernel, decision.initrds, decision.arguments, httpUrl)
  }
}

/** A script that shows why there is nothing to boot and leaves. Any text is safe. Pure. */
export function refusedScript(reason: string): string {
  const shown = reason
    .replaceAll(/[^\x20-\x7e]/g, ' ')
    .replaceAll(/[${}|&;#]/g, '')
    .slice(0, 300)
  return lines([
    '#!ipxe',
    `# ${shown}`,
    `echo Purlin: ${shown}`,
    `sleep ${SHOWN_SECONDS}`,
    ...LEAVE,
  ])
}

/** UEFI goes on to its next boot entry only when this one failed (UEFI 2.10 section 3.1.1); a BIOS
 *  does so in either case. */
const LEAVE = [`iseq ${setting('platform')} efi || exit 0`, 'exit 1']

function kernelScript(
  kernel: string,
  initrds: readonly string[],
  words: readonly string[],
  httpUrl: string,
): string {
  for (const word of words) checkWord(word)
  const names = initrds.map((_, index) => `purlin${index}.img`)
  // The EFI stub of the kernel loads the initrds that its command line names; on BIOS they are
  // handed over as they are, and the words mean nothing.
  const all = [...names.map((name) => `initrd=${name}`), ...words]
  const commandLine = all.join(' ')
  assert.ok(commandLine.length <= COMMAND_LINE_LIMIT, 'a kernel command line is too long')
  return lines([
    '#!ipxe',
    `kernel --name kernel ${urlOf(httpUrl, kernel)} ${commandLine} || goto failed`,
    ...initrds.map(
      (initrd, index) => `initrd --name ${names[index]} ${urlOf(httpUrl, initrd)} || goto failed`,
    ),
    'boot || goto failed',
    ':failed',
    'echo Purlin: the kernel or a file of it did not load',
    `sleep ${SHOWN_SECONDS}`,
    'exit 1',
  ])
}

function checkWord(word: string): void {
  const plain = /^[\x21-\x7e]+$/.test(word) && !word.includes('${') && !word.startsWith('#')
  assert.ok(plain && !/^(\|\||&&|;)$/.test(word), 'an argument is no single plain word')
}

function urlOf(httpUrl: string, path: string): string {
  assert.ok(path.startsWith('/'), 'a path of this server begins with a slash')
  return `${httpUrl}${path.split('/').map(encodeURIComponent).join('/')}`
}

/** A setting of iPXE, which it puts into a line when it runs it. */
function setting(name: string): string {
  return `\${${name}}`
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('')
}
