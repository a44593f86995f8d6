import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repository } from '../repository.ts'

interface LockedPackage {
  readonly version?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
}
interface LockFile {
  readonly packages: Record<string, LockedPackage>
}

const OPERATING_SYSTEMS = ['android', 'darwin', 'win32', 'freebsd', 'linux', 'openharmony', 'sunos']
const PROCESSORS = ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'ppc64', 's390x', 'wasm32', 'loong64']

/** Adds the optional packages of other platforms that a partial registry left out of the lock file:
 *  a mirror often carries only the platforms its users have, npm then leaves the others out, and
 *  `npm ci` refuses a lock file without them. Their versions are exact in the packages that ask for
 *  them. Pure. */
export function completeLock(lock: LockFile): { lock: LockFile; added: readonly string[] } {
  const packages = { ...lock.packages }
  const added: string[] = []
  for (const { optionalDependencies = {} } of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const path = `node_modules/${name}`
      if (packages[path] !== undefined || !/^\d+\.\d+\.\d+/.test(version)) continue
      packages[path] = { version, ...platformOf(name), optional: true }
      added.push(`${name}@${version}`)
    }
  }
  const sorted = Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { lock: { ...lock, packages: Object.fromEntries(sorted) }, added }
}

/** A package's platform, from its name: `@x/cli-darwin-arm64`, `@x/y-linux-x64-musl`,
 *  `@x/y-wasm32-wasi`. */
function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu'> {
  const words = name.split(/[/-]/)
  const os = OPERATING_SYSTEMS.filter((each) => words.includes(each))
  const cpu = PROCESSORS.filter((each) => words.includes(each))
  return { ...(cpu.length > 0 && { cpu }), ...(os.length > 0 && { os }) }
}

if (import.meta.main) {
  const file = join(repository, 'package-lock.json')
  const { lock, added } = completeLock(JSON.parse(await readFile(file, 'utf8')))
  await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`)
  process.stderr.write(`package-lock.json: ${added.length} optional packages added\n`)
}
