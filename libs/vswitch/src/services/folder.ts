import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Paths of a service's files. */
export function filesOf(folder: string): {
  readonly holder: string
  readonly dnsmasq: string
  readonly configuration: string
  readonly reservations: string
  readonly names: string
  readonly leases: string
  readonly owed: string
  readonly log: string
} {
  return {
    holder: `${folder}/holder.json`,
    dnsmasq: `${folder}/dnsmasq.json`,
    configuration: `${folder}/dnsmasq.conf`,
    reservations: `${folder}/reservations`,
    names: `${folder}/names`,
    leases: `${folder}/leases`,
    owed: `${folder}/owed.json`,
    log: `${folder}/service.log`,
  }
}

/** Makes a folder that the service's user can read, whatever this process's file mask is. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
}

/** The folder above `folder` that another user than root cannot enter; undefined where it can reach
 *  `folder`. Folders that do not exist yet are none of it. */
export async function closedFolderAbove(folder: string): Promise<string | undefined> {
  for (let above = dirname(folder); above !== '/'; above = dirname(above)) {
    const mode = (await stat(above).catch(() => undefined))?.mode
    if (mode !== undefined && (mode & 0o001) === 0) return above
  }
  return undefined
}

/** Writes a file so that a reader sees the old or the new text, never a part. The passing name
 *  begins with a dot, which dnsmasq's folder watch ignores. */
export async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const passing = `${folder}/.${name}`
  await writeFile(passing, text)
  await chmod(passing, 0o644)
  await rename(passing, `${folder}/${name}`)
}

/** Every file of a folder, by name; none where there is no folder. Passing names are left out. */
export async function readFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(folder).catch(() => [])
  const files = new Map<string, string>()
  for (const name of names) {
    if (name.startsWith('.')) continue
    const text = await readText(`${folder}/${name}`)
    if (text !== undefined) files.set(name, text)
  }
  return files
}

/** The text of a file; undefined where there is none. */
export async function readText(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(() => undefined)
}

/** Removes a file or folder; it may be gone already. */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}
