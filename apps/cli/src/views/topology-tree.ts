import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'
import type { Topology } from './topology.ts'

interface Branch {
  readonly text: string
  readonly below: readonly Branch[]
}

/** The switch as a tree in the terminal: uplinks first, then port groups with their ports. Pure. */
export function topologyTree(topology: Topology, colours: boolean): string {
  const uplinks = topology.uplinks.map(({ name, words }) => leaf(`═ ${name}`, words))
  const groups = topology.groups.map(
    ({ name, words, ports }): Branch => ({
      text: line(name, words),
      below: ports.map((port) => {
        const mark = port.ready ? coloured('●', 'good', colours) : coloured('○', 'bad', colours)
        return leaf(`${mark} ${port.name}`, port.words)
      }),
    }),
  )
  const none =
    uplinks.length + groups.length === 0 ? [leaf('no uplinks and no port groups', [])] : []
  const lines = drawn([...uplinks, ...groups, ...none], '')
  return `${[line(topology.name, topology.words), ...lines].join('\n')}\n`
}

function leaf(name: string, words: readonly string[]): Branch {
  return { text: line(name, words), below: [] }
}

function line(name: string, words: readonly string[]): string {
  return [name, ...words.map(oneLine)].join('  ')
}

function drawn(branches: readonly Branch[], indent: string): readonly string[] {
  return branches.flatMap(({ text, below }, index) => {
    const last = index === branches.length - 1
    const next = `${indent}${last ? '   ' : '│  '}`
    return [`${indent}${last ? '└─ ' : '├─ '}${text}`, ...drawn(below, next)]
  })
}
