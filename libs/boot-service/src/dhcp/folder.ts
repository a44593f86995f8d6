import { chmod, mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { DhcpFiles } from './configuration.ts'

/** Paths of the files of a service's DHCP. */
export function dhcpFiles(folder: string): DhcpFiles {
  return {
    configuration: join(folder, 'dnsmasq.conf'),
    hosts: join(folder, 'hosts'),
    leases: join(folder, 'leases'),
    tftp: join(folder, 'tftp'),
  }
}

/** Makes a folder that dnsmasq's user can enter, whatever this process's file mask is. */
export async function makeOpenFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
}

/** Writes a file that everybody may read, so that a reader sees the old or the new text whole. */
export async function writeReadable(file: string, text: string): Promise<void> {
  const passing = join(dirname(file), `.${basename(file)}`)
  await writeFile(passing, text)
  await chmod(passing, 0o644)
  await rename(passing, file)
}

/** The folder above `folder` that another user than root cannot enter; undefined where there is
 *  none. */
export async function closedFolderAbove(folder: string): Promise<string | undefined> {
  for (let above = dirname(folder); above !== '/'; above = dirname(above)) {
    const mode = (await stat(above).catch(() => undefined))?.mode
    if (mode !== undefined && (mode & 0o001) === 0) return above
  }
  return undefined
}
