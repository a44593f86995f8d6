import type { HostHardware } from '@purlin/schema'
import { numbersOf } from './cpu-list.ts'
import { type HostTree, numberAt, wordOf } from './host-tree.ts'

const CPUS = '/sys/devices/system/cpu'
const NODES = '/sys/devices/system/node'
const KIB_A_MIB = 1_024

/** The processors that are online. `architecture` as the kernel names it: x86_64. */
export async function readProcessors(
  tree: HostTree,
  architecture: string,
): Promise<HostHardware['cpu']> {
  const [online, about] = await Promise.all([
    tree.text(`${CPUS}/online`),
    tree.text('/proc/cpuinfo'),
  ])
  const threads = numbersOf(online)
  const places = await Promise.all(
    threads.map(async (thread) => {
      const topology = `${CPUS}/cpu${thread}/topology`
      const [socket, core] = await Promise.all([
        numberAt(tree, `${topology}/physical_package_id`),
        numberAt(tree, `${topology}/core_id`),
      ])
      return { socket: socket ?? 0, core: core ?? thread }
    }),
  )
  const model = /^(?:model name|Model|cpu model)\s*:\s*(.+)$/m.exec(about ?? '')?.[1]
  return {
    architecture,
    model: wordOf(model) ?? 'unknown',
    sockets: new Set(places.map(({ socket }) => socket)).size,
    cores: new Set(places.map(({ socket, core }) => `${socket} ${core}`)).size,
    threads: threads.length,
  }
}

/** The NUMA nodes; none where the kernel was built without them. */
export async function readNodes(tree: HostTree): Promise<HostHardware['numa']> {
  const nodes = numbersOf(await tree.text(`${NODES}/online`))
  return await Promise.all(
    nodes.map(async (node) => {
      const folder = `${NODES}/node${node}`
      const [cpus, memory, distance, hugePages] = await Promise.all([
        tree.text(`${folder}/cpulist`),
        tree.text(`${folder}/meminfo`),
        tree.text(`${folder}/distance`),
        readHugePages(tree, `${folder}/hugepages`),
      ])
      const totalKib = Number(/MemTotal:\s+(\d+) kB/.exec(memory ?? '')?.[1] ?? 0)
      return {
        node,
        cpus: cpus ?? '',
        memoryMiB: Math.floor(totalKib / KIB_A_MIB),
        hugePages,
        distances: (distance ?? '').split(/\s+/).filter(Boolean).map(Number),
      }
    }),
  )
}

async function readHugePages(
  tree: HostTree,
  folder: string,
): Promise<HostHardware['numa'][number]['hugePages']> {
  const sizes = (await tree.list(folder)).flatMap((name) => {
    const sizeKiB = /^hugepages-(\d+)kB$/.exec(name)?.[1]
    return sizeKiB === undefined ? [] : [{ name, sizeKiB: Number(sizeKiB) }]
  })
  const pages = await Promise.all(
    sizes.map(async ({ name, sizeKiB }) => {
      return { sizeKiB, count: (await numberAt(tree, `${folder}/${name}/nr_hugepages`)) ?? 0 }
    }),
  )
  return pages.toSorted((one, other) => one.sizeKiB - other.sizeKiB)
}
