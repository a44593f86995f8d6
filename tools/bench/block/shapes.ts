/** A pool of the daemon, each disk in a server of its own. */
export interface PoolShape {
  readonly name: string
  readonly redundancy: string
  readonly disks: number
  readonly diskMiB: number
  readonly volumes: readonly VolumeShape[]
}

/** A volume of a pool. */
export interface VolumeShape {
  readonly name: string
  readonly sizeMiB: number
}

/** Every pool of a run. A peer is as large as `volumeMiB`. */
export interface Shapes {
  readonly volumeMiB: number
  readonly one: PoolShape
  readonly two: PoolShape
  readonly coded: PoolShape
  readonly history: PoolShape
}

/** The pools of a whole run, or of a quick one, which is told apart by its sizes alone. Pure. */
export function shapesOf(quick: boolean): Shapes {
  const volumeMiB = quick ? 256 : 1024
  const diskMiB = quick ? 1024 : 3072
  const replicas = (copies: number): string => `{ replicas: ${copies} }`
  const v = { name: 'v', sizeMiB: volumeMiB }
  const one = { name: 'replicas 1', redundancy: replicas(1), disks: 1, diskMiB, volumes: [v] }
  const half = { sizeMiB: volumeMiB / 2 }
  return {
    volumeMiB,
    one,
    two: { ...one, name: 'replicas 2', redundancy: replicas(2), disks: 2 },
    coded: {
      ...one,
      name: 'EC 4+2',
      redundancy: '{ erasure: "4+2" }',
      disks: 6,
      diskMiB: quick ? 512 : 1024,
    },
    history: {
      ...one,
      name: 'snapshots',
      volumes: [
        { name: 'v', ...half },
        { name: 'bare', ...half },
      ],
    },
  }
}

/** The configuration of a pool with its volumes. Pure. */
export function poolText(shape: PoolShape): string {
  const disks = Array.from({ length: shape.disks }, (_, index) => {
    const name = `d${index}`
    const size = shape.diskMiB / 1024
    return `    - { name: ${name}, server: s${index}, path: ./${name}.img, sizeGiB: ${size} }`
  })
  const volumes = shape.volumes.map(({ name, sizeMiB }) =>
    ['kind: Volume', `name: ${name}`, `spec: { pool: p, sizeGiB: ${sizeMiB / 1024} }`].join('\n'),
  )
  const pool = ['kind: StoragePool', 'name: p', 'spec:', `  redundancy: ${shape.redundancy}`]
  return `${[[...pool, '  disks:', ...disks].join('\n'), ...volumes].join('\n---\n')}\n`
}
