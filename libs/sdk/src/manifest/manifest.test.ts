import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { checkDocuments, formatProblems, locate, locateProblems, readManifest } from '../index.ts'

/** The lines a person reads for a manifest. */
function linesOf(text: string, fileName = 'm.yaml'): readonly string[] {
  const manifest = readManifest(text, fileName)
  const problems = checkDocuments(manifest.documents.map(({ value }) => value))
  return formatProblems(fileName, locateProblems(manifest, problems))
}

const text = `# the switch
kind: DistributedSwitch
name: dvs0
spec:
  mtu: 1500
---
# nothing here
---
kind: SecurityGroup
name: web
labels:
  a.b: x
  a: y
spec:
  inbound:
    - { family: ipv4, protocol: tcp, action: allow }
    - family: ipv4
      protocol: tcp
      ports:
        - "80"
        - "443"
      source:
        cidrs: ["10.0.0.0/8",
          "10.77.0.0/24"]
      action: allow
`

const EXAMPLES = fileURLToPath(new URL('../../../../examples/', import.meta.url))
const exampleFiles = readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'))

test('the contracts are all looked at', (t) => {
  t.deepEqual(exampleFiles.toSorted(), [
    'bare-metal.yaml',
    'storage-one-host.yaml',
    'three-tier.yaml',
  ])
})

for (const name of exampleFiles) {
  test(`examples/${name} has no problem`, (t) => {
    t.deepEqual(linesOf(readFileSync(`${EXAMPLES}${name}`, 'utf8'), name), [])
  })
}

test('empty documents are left out and do not count', (t) => {
  const { documents, problems } = readManifest(text, 'm.yaml')
  t.is(documents.length, 2)
  t.deepEqual(problems, [])
  t.like(documents[1]?.value, { kind: 'SecurityGroup', name: 'web' })
})

for (const [path, line] of [
  ['', 9],
  ['kind', 9],
  ['labels.a.b', 12],
  ['labels.a', 13],
  ['spec.inbound[0].ports', 16],
  ['spec.inbound[1]', 17],
  ['spec.inbound[1].ports', 19],
  ['spec.inbound[1].ports[1]', 21],
  ['spec.inbound[1].source.cidrs[1]', 24],
  ['spec.inbound[1].source.groups[0]', 22],
  ['spec.inbound[7].ports', 15],
  ['spec.outbound', 14],
  ['nothing.like.it', 9],
] as const) {
  test(`${path === '' ? 'the document' : path} stands on line ${line}`, (t) => {
    const document = readManifest(text, 'm.yaml').documents[1]
    t.is(document && locate(document, path), line)
  })
}

test('the other side of an alias is found where it is written', (t) => {
  const [document] = readManifest(
    'one: &rule\n  ports:\n    - x\nrules:\n  - *rule\n',
    'm.yaml',
  ).documents
  t.is(document && locate(document, 'rules[0]'), 5)
  t.is(document && locate(document, 'rules[0].ports[0]'), 3)
})

test('JSON is read with its lines, and a list at the top stands for its items', (t) => {
  const json = JSON.stringify(
    [
      { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
      { kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0', vlan: 9999 } },
    ],
    null,
    '\t',
  )
  t.deepEqual(linesOf(json, 'm.json'), [
    'm.json:12: spec.vlan: too big: expected number to be <=4094',
  ])
})

test('a syntax error is named with its line, and the other documents are still checked', (t) => {
  const broken = 'kind: SecurityGroup\nname: [web\n---\nkind: Tree\nname: oak\n'
  t.snapshot(linesOf(broken))
})

test('a key given twice is no guess', (t) => {
  t.deepEqual(linesOf('kind: Tree\nname: a\nname: b\n'), [
    'm.yaml:3: document: not YAML: Map keys must be unique',
  ])
})

test('an unknown tag is no guess', (t) => {
  const [line = ''] = linesOf('kind: !include other.yaml\n')
  t.regex(line, /^m\.yaml:1: document: not YAML: Unresolved tag: !include/)
})

test('a bomb of aliases is refused', (t) => {
  const levels = Array.from({ length: 12 }, (_, level) => {
    const before = level === 0 ? '"x"' : `*a${level - 1}`
    return `a${level}: &a${level} [${Array.from({ length: 10 }, () => before).join(', ')}]`
  })
  t.snapshot(linesOf(levels.join('\n')))
})

test('brackets without an end are refused, the process lives', (t) => {
  const lines = linesOf('['.repeat(100_000))
  t.true(lines.length > 0)
  t.regex(lines[0] ?? '', /^m\.yaml:1: document: /)
})

test('a file without a document says so', (t) => {
  t.deepEqual(linesOf(''), ['m.yaml:1: document: holds no document'])
  t.deepEqual(linesOf('---\n---\n# only words\n'), ['m.yaml:1: document: holds no document'])
})

test('a key named __proto__ is an unknown field and nothing more', (t) => {
  t.snapshot(linesOf('kind: SecurityGroup\nname: a\n__proto__: { polluted: true }\nspec: {}\n'))
  t.false('polluted' in {})
})

test('names that only an agent can know are no problem', (t) => {
  t.deepEqual(linesOf('kind: PortGroup\nname: prod\nspec: { switch: dvs0 }\n'), [])
})

test('every kind of problem has its line and path', (t) => {
  t.snapshot(
    linesOf(`kind: Tree
name: oak
---
kind: SecurityGroup
name: web
colour: red
spec:
  inbound:
    - family: ipv4
      protocol: icmp
      ports: ["80"]
      action: allow
    - family: ipv4
      protocol: tcp
      source: { cidrs: ["10.77.0.1/24", "10.0.0.0/33"] }
      action: perhaps
---
kind: SecurityGroup
name: web
spec: {}
---
kind: Volume
name: a
spec: { pool: p, source: { snapshot: b, clone: linked } }
---
kind: Snapshot
name: b
spec: { volume: a }
---
- 1
`),
  )
})
