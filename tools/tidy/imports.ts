import { endingOf, type Finding, findLines, type Rule, type SourceFile } from './source-file.ts'

const LEAVES = [
  'store',
  'placement',
  'netfilter',
  'vswitch',
  'virt',
  'storage',
  'hardware',
  'bmc',
  'deployment-template',
  'boot-service',
  'discovery-system',
]
const NATIVE = ['ec-native', 'cache-native', 'block-native']
const LIBRARIES = ['base', 'schema', ...LEAVES, 'reconcile', 'sdk', ...NATIVE]

/** Which of our packages each package may import; the order of the layers in ARCHITECTURE.md. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  schema: ['base'],
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, ['base', 'schema']])),
  ...Object.fromEntries(NATIVE.map((native) => [native, ['base']])),
  reconcile: ['base', 'schema', ...LEAVES],
  sdk: ['base', 'schema'],
  service: ['base', 'schema', 'store'],
  'simulated-chassis': ['base'],
  cli: ['base', 'schema', 'sdk'],
  'host-agent': [...LIBRARIES.filter((library) => library !== 'sdk'), 'service'],
  'baremetal-pxe': [
    'base',
    'schema',
    'store',
    'service',
    'bmc',
    'boot-service',
    'deployment-template',
    'discovery-system',
  ],
  tools: [...LIBRARIES, 'service', 'simulated-chassis'],
}

/** What a package may load on demand only, by `import()`, so that its start does not pay for it. */
const allowedLate: Readonly<Record<string, readonly string[]>> = {
  cli: [
    'netfilter',
    'placement',
    'hardware',
    'storage',
    'simulated-chassis',
    'discovery-system',
    ...NATIVE,
  ],
}

/** What the tests of a package may see beside that: the agent's API is tried by the client that
 *  users have. */
const allowedInTests: Readonly<Record<string, readonly string[]>> = {
  'host-agent': ['sdk'],
  'baremetal-pxe': ['sdk', 'simulated-chassis'],
  bmc: ['simulated-chassis'],
  'boot-service': ['simulated-chassis', 'discovery-system'],
}

const TEST = /\/tests\/|\.test\.ts$/
const FROM = /^\s*(?:(?:import|export|\}).*\sfrom|import)\s+'([^']+)'/
const LATE = /import\(\s*'([^']+)'\s*\)/

/** The layers: who may import whom, that files reach other packages by name alone, and that what
 *  only tests need does not come in by another way. */
export const importRule: Rule = {
  title: 'packages import only what their layer may see, by name',
  find: (files) => files.filter(({ path }) => endingOf(path) === 'ts').flatMap(findImports),
}

function findImports(file: SourceFile): readonly Finding[] {
  const owner = packageOf(file.path)
  if (owner === undefined) return []
  return findLines(file, (line) => {
    const late = LATE.exec(line)?.[1]
    const target =
      late ??
      FROM.exec(line)
        ?.slice(1)
        .find((one) => one !== undefined)
    if (target === undefined) return undefined
    if (target.startsWith('.')) return leaves(file.path, target)
    const library = /^@purlin\/([^/]+)(\/.*)?$/.exec(target)
    if (library?.[1] === undefined || library[1] === owner) return undefined
    if (library[2] !== undefined) return `${target}: packages are imported whole, by their name`
    const seen =
      allowed[owner]?.includes(library[1]) === true ||
      (TEST.test(file.path) && allowedInTests[owner]?.includes(library[1]) === true)
    const seenLate = late !== undefined && allowedLate[owner]?.includes(library[1]) === true
    if (seen || seenLate) return undefined
    return `${owner} may not import ${library[1]}`
  })
}

/** A relative import that leaves its own package. */
function leaves(path: string, target: string): string | undefined {
  const parts = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  const reached = packageOf(parts.join('/'))
  if (reached === packageOf(path)) return undefined
  return `${target} leaves the package; import the other package by its name`
}

function packageOf(path: string): string | undefined {
  const match = /^(?:(?:apps|libs)\/([^/]+)|(tools))\//.exec(path)
  return match?.[1] ?? match?.[2]
}
