// Infers the targets of every workspace project from the files it has, so that no project lists
// them itself: build, typecheck, test (ava), build-native and test-rust (cargo).
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const name = 'nx-purlin'

export const createNodes = [
  '{apps/*,libs/*,tools}/package.json',
  (manifests, _options, { workspaceRoot }) =>
    manifests.map((manifest) => [manifest, inferProject(workspaceRoot, dirname(manifest))]),
]

function inferProject(workspaceRoot, root) {
  const folder = join(workspaceRoot, root)
  const targets = {
    ...(existsSync(join(folder, 'tsconfig.json')) && typescriptTargets(root)),
    ...(hasTests(folder, root) && testTarget(root)),
    ...rustTargets(workspaceRoot, root),
    ...(root === 'tools' && { typecheck: wholeTypecheck }),
  }
  return { projects: { [root]: { root, targets } } }
}

/** The tools' tests stand beside each tool, those of the other projects below `src`. */
function hasTests(folder, root) {
  const pattern = root === 'tools' ? '*/**/*.test.ts' : 'src/**/*.test.ts'
  const exclude = (path) => path.endsWith('node_modules')
  return globSync(pattern, { cwd: folder, exclude }).length > 0
}

function typescriptTargets(root) {
  return {
    build: {
      command: 'tsc -b',
      options: { cwd: root },
      cache: true,
      dependsOn: ['^build', 'build-native'],
      inputs: ['typescript', '^typescript'],
      outputs: ['{projectRoot}/dist', '{projectRoot}/tsconfig.tsbuildinfo'],
    },
    typecheck: {
      command: 'tsc -p tsconfig.json --noEmit --composite false',
      options: { cwd: root },
      cache: true,
      inputs: ['typescript', '^typescript'],
      outputs: [],
    },
  }
}

/** All sources, tests and tools in one run; the projects' own targets leave their tests out. */
const wholeTypecheck = {
  command: 'tsc -p tsconfig.check.json',
  cache: true,
  inputs: [
    '{workspaceRoot}/{apps,libs,tools}/**/*.{ts,json}',
    '{workspaceRoot}/tsconfig.*.json',
    '{workspaceRoot}/package-lock.json',
  ],
  outputs: [],
}

function testTarget(root) {
  return {
    test: {
      command: root === 'tools' ? 'ava' : 'ava --config ../../ava.config.js',
      options: { cwd: root },
      cache: true,
      dependsOn: ['build-native', '^build-native'],
      // Some tests of the tools read the whole repository.
      inputs: root === 'tools' ? ['{workspaceRoot}/**/*'] : ['default', '^default'],
      outputs: [],
    },
  }
}

function rustTargets(workspaceRoot, root) {
  // The probe and the agent of installed systems are in no package of their own.
  const pattern = root === 'tools' ? '{guest/probe,../apps/bm-agent}' : 'crates/*'
  const crates = globSync(`${pattern}/Cargo.toml`, { cwd: join(workspaceRoot, root) })
  if (crates.length === 0) return {}
  const packages = crates.map((manifest) => cargoName(join(workspaceRoot, root, manifest))).sort()
  const rust = root === 'tools' ? ['rust', '{workspaceRoot}/apps/bm-agent/**/*'] : ['rust']
  const testRust = {
    command: `cargo test --profile proof --locked --no-fail-fast ${packages.map((name) => `-p ${name}`).join(' ')}`,
    cache: true,
    inputs: [...rust, { runtime: 'rustc -V' }],
    outputs: [],
  }
  const part = root === 'tools' ? 'probe bm-agent' : root.slice('libs/'.length)
  const buildNative = {
    command: `node --conditions=purlin-source tools/native/build.ts ${part}`,
    cache: true,
    inputs: [...rust, '{workspaceRoot}/tools/native/**/*.ts', { runtime: 'rustc -V' }],
    outputs:
      root === 'tools'
        ? ['{workspaceRoot}/.purlin/probe', '{workspaceRoot}/.purlin/bm-agent']
        : ['{projectRoot}/native'],
  }
  return { 'build-native': buildNative, 'test-rust': testRust }
}

function cargoName(manifest) {
  return /^name = "(.+)"$/m.exec(readFileSync(manifest, 'utf8'))?.[1]
}
