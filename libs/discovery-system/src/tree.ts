import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError } from '@purlin/base'
import {
  FIRMWARE_PATHS,
  FOLDERS,
  LINKS,
  OWN_FILES,
  PROGRAMS,
  UDEV_HELPERS,
  UDEV_RULES,
} from './contents.ts'
import type { ArchiveEntry } from './cpio.ts'
import { neededLibraries } from './elf.ts'
import { type DriverSet, filesIn } from './modules.ts'

const LIBRARY_FOLDER = 'usr/lib/x86_64-linux-gnu'
const LIBRARY_FOLDERS = ['lib/x86_64-linux-gnu', LIBRARY_FOLDER]

/** The initial file system: our program as the first process, Debian's programs with the libraries
 *  that they need, udev's rules, names of PCI devices, modules.
 *  Errors: PUR_INTERNAL when the packages lack a program or library that is named here. */
export async function makeTree(
  root: string,
  modulesFolder: string,
  kernelVersion: string,
  drivers: DriverSet,
  purlinNode: string,
): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [
    ...FOLDERS.map((path) => ({ path, kind: 'folder' as const, mode: 0o755 })),
    ...LINKS.map(([path, target]) => ({ path, kind: 'link' as const, target })),
    ...OWN_FILES.map(([path, mode, text]) => ({ path, mode, content: Buffer.from(text) })),
    { path: 'init', mode: 0o755, content: await readFile(purlinNode) },
  ]
  const programs = await programEntries(root)
  entries.push(...programs, ...(await libraryEntries(root, programs)))
  for (const name of UDEV_RULES) {
    const content = await readFirst(root, [`lib/udev/rules.d/${name}`], name)
    entries.push({ path: `usr/lib/udev/rules.d/${name}`, mode: 0o644, content })
  }
  const names = await readFirst(root, ['share/misc/pci.ids'], 'pci.ids')
  entries.push({ path: 'usr/share/misc/pci.ids', mode: 0o644, content: names })
  for (const path of await filesIn(modulesFolder)) {
    const content = await readFile(join(modulesFolder, path))
    entries.push({ path: `usr/lib/modules/${kernelVersion}/${path}`, mode: 0o644, content })
  }
  if (drivers === 'all') entries.push(...(await firmwareEntries(root)))
  return entries
}

async function programEntries(root: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = []
  for (const name of PROGRAMS) {
    const content = await readFirst(root, [`bin/${name}`, `sbin/${name}`], name)
    entries.push({ path: `usr/bin/${name}`, mode: 0o755, content })
  }
  for (const name of UDEV_HELPERS) {
    const content = await readFirst(root, [`lib/udev/${name}`], name)
    entries.push({ path: `usr/lib/udev/${name}`, mode: 0o755, content })
  }
  return entries
}

/** The libraries of the programs, of their libraries, and so on. */
async function libraryEntries(
  root: string,
  programs: readonly ArchiveEntry[],
): Promise<ArchiveEntry[]> {
  const places = await libraryPlaces(root)
  const entries = new Map<string, ArchiveEntry>()
  const queue = programs.flatMap((entry) => ('content' in entry ? [entry.content] : []))
  for (const content of queue) {
    const { libraries, loader } = neededLibraries(content)
    for (const name of [...libraries, ...(loader === undefined ? [] : [basename(loader)])]) {
      if (entries.has(name)) continue
      const place = places.get(name)
      if (place === undefined) {
        throw new PurlinError('PUR_INTERNAL', {
          message: `${name}, a library that a program needs, is in none of the packages`,
        })
      }
      const library = await readFile(place)
      const folder = name.startsWith('ld-linux') ? 'usr/lib64' : LIBRARY_FOLDER
      entries.set(name, { path: `${folder}/${name}`, mode: 0o755, content: library })
      queue.push(library)
    }
  }
  return [...entries.values()]
}

async function libraryPlaces(root: string): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>()
  for (const folder of ['lib64', 'usr/lib64', 'lib', 'usr/lib', ...LIBRARY_FOLDERS]) {
    const names = await readdir(join(root, folder)).catch(() => [])
    for (const name of names) {
      if (name.includes('.so')) places.set(name, join(root, folder, name))
    }
  }
  return places
}

async function firmwareEntries(root: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = []
  for (const folder of ['lib/firmware', 'usr/lib/firmware']) {
    const isThere = await stat(join(root, folder)).then(
      () => true,
      () => false,
    )
    if (!isThere) continue
    for (const path of await filesIn(join(root, folder))) {
      if (!FIRMWARE_PATHS.test(path)) continue
      const content = await readFile(join(root, folder, path))
      entries.push({ path: `usr/lib/firmware/${path}`, mode: 0o644, content })
    }
  }
  return entries
}

/** The first of the paths that is there, below the root or below its `usr`. */
async function readFirst(root: string, paths: readonly string[], name: string): Promise<Buffer> {
  for (const path of paths.flatMap((path) => [`usr/${path}`, path])) {
    const content = await readFile(join(root, path)).catch(() => undefined)
    if (content !== undefined) return content
  }
  throw new PurlinError('PUR_INTERNAL', { message: `${name} is in none of the packages` })
}
